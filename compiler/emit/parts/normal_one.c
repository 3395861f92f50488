static double lequel_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    double normal[2];
    lequel_normals(seed, stream, index / 2, normal);
    return normal[index % 2];
}
