/* Code and constants of the kinds that compiled models have: calls within the object, tables of 1 to 16 bytes an
 * element, vectors, far and near. Nothing outside is referred to. */
typedef float Four __attribute__((vector_size(16)));

static const double doubles[] = {1.5, 2.5, 3.5, 4.5};
static const float singles[] = {0.25f, 0.5f, 0.75f, 1};
static const long long wide[] = {10, -20, 30, -40};
static const int narrow[] = {1, -2, 3, -4};
static const short small[] = {5, -6, 7, -8};
static const signed char tiny[] = {9, -10, 11, -12};
static const Four vectors[] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
static const char filler[70000] = {1}; /* further than one page, so that pages and offsets both matter */
static const double last[] = {100, 200};

static __attribute__((noinline)) double pick(long i) {
    Four v = vectors[i & 1] * vectors[(i >> 1) & 1];
    return doubles[i & 3] + singles[i & 3] + (double)wide[i & 3] + narrow[i & 3] + small[i & 3] + tiny[i & 3] +
           v[i & 3] + filler[i * 1000] + last[i & 1];
}

static __attribute__((noinline)) double twice(long i) { return pick(i) + pick(i + 1); }

void lequel_entry_0(void *const *arrays, const void *arguments);
void lequel_entry_1(void *const *arrays, const void *arguments);

void lequel_entry_0(void *const *arrays, const void *arguments) {
    *(double *)arrays[0] = twice(*(const long *)arguments);
}

void lequel_entry_1(void *const *arrays, const void *arguments) {
    *(double *)arrays[0] = pick(*(const long *)arguments) * 7.25;
}
