# Inputs to begin a search with; sourced with `source` the folder tests/fuzz.
seeds() { # TARGET FOLDER
    case $1 in
    parse | check | pipeline)
        for file in "$source"/../../models/*.leq "$source"/../../models/golden/*.leq "$source"/../*/*.leq; do
            [ "$(stat -c %s "$file")" -gt 5000 ] || cp "$file" "$2/$(basename "$(dirname "$file")")_$(basename "$file")"
        done
        ;;
    resume) ;; # it changes a checkpoint that it makes itself
    *) cp "$source/corpus/$1"/* "$2" ;;
    esac
}
