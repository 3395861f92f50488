/* The stream that a noise reads in one step, below its own. */
static uint64_t lequel_child(uint64_t seed, uint64_t stream, uint64_t step)
{
    uint64_t half[2];
    lequel_draw(seed ^ UINT64_C(0x64726E216368696C), stream, step, half);
    return half[0];
}
