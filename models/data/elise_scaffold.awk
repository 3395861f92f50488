# The scaffold of ELiSe: strong fixed connections between somata, grown from the visible neurons into the latent ones
# before anything is learned. Source: code of K. Völk, L. Kriener and others for arXiv 2402.16763, version 2.
#   awk -f elise_scaffold.awk -v seed=0 -v latent=50 -v visible=13 -v name=elise_13_50_0
# writes the edges `from, to` of visible to latent neurons into NAME_visible.csv, those among latent neurons into
# NAME_latent.csv. With `-v summary=1000` it writes nothing, but says for each of so many seeds from `seed` on how many
# edges there are, how many latent neurons are reached and the largest number of edges into one of them.
# p: further edges of a neuron; q: another edge to one that has some; p0: no edge at all.
# Random numbers: S. K. Park, K. W. Miller, Communications of the ACM 31 (1988) 1192; the same in every awk.

function uniform() {
    state = (state * 16807) % 2147483647
    return state / 2147483647
}

function below(n) { return int(uniform() * n) }

function start(number,   i) {
    state = (number * 7919 + 1) % 2147483646 + 1
    for (i = 0; i < 20; i++) uniform()
}

# Another latent neuron than `from` (latent neurons are numbered behind the visible ones), which `from` does not reach
# yet; the more edges it has, the less likely.
function partner(from,   to) {
    do to = visible + below(latent)
    while (to == from || (from, to) in edge || uniform() >= q ^ degree[to])
    return to
}

function grow(   waiting, count, from, to, n, i, place) {
    split("", edge); split("", degree); split("", reached)
    edges = 0; found = 0; largest = 0
    for (count = 0; count < visible; count++) waiting[count] = count
    while (count > 0) {
        place = below(count)
        from = waiting[place]
        waiting[place] = waiting[--count]
        n = uniform() < p0 ? 0 : 1
        while (n && n < latent - 1 && uniform() < p ^ n) n++
        for (i = 0; i < n; i++) {
            to = partner(from)
            edge[from, to] = 1
            list[edges++] = from " " to
            if (++degree[to] > largest) largest = degree[to]
            if (to in reached) continue
            reached[to] = 1
            found++
            waiting[count++] = to
        }
    }
}

function write_edges(   i, ends, early, late) {
    early = name "_visible.csv"; late = name "_latent.csv"
    printf "# visible to latent: from, to\n" > early
    printf "# latent to latent: from, to\n" > late
    for (i = 0; i < edges; i++) {
        split(list[i], ends, " ")
        if (ends[1] < visible) printf "%d,%d\n", ends[1], ends[2] - visible > early
        else printf "%d,%d\n", ends[1] - visible, ends[2] - visible > late
    }
}

BEGIN {
    if (visible == "") visible = 13
    if (latent == "") latent = 50
    if (seed == "") seed = 0
    if (p == "") p = 0.2
    if (q == "") q = 0.15
    if (p0 == "") p0 = 0.04
    if (name == "") name = "elise_" visible "_" latent "_" seed
    for (i = 0; i < summary; i++) {
        start(seed + i)
        grow()
        print edges, found, largest
    }
    if (summary) exit
    start(seed)
    grow()
    write_edges()
}
