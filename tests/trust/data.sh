# Writes the data files of epochs.leq into the present folder.
make_data() {
    awk 'BEGIN {
        srand(7)
        for (i = 0; i < 200; i++) {
            c = i % 3
            for (k = 0; k < 4; k++) printf "%s%.4f", k ? "," : "", (k == c) + 0.7 * rand() > (i < 160 ? "x.csv" : "tx.csv")
            print "" > (i < 160 ? "x.csv" : "tx.csv")
            print c > (i < 160 ? "y.csv" : "ty.csv")
        }
        for (i = 0; i < 12000; i++) print int(i / 200) % 3 > "classes.csv"
    }'
}
