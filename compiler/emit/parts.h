// Fixed pieces of emitted code, carried in the library as text: compiler/emit/parts. In those with places to fill,
// @p@ stands for the prefix, @T@ for the type of the struct, @P@ for the prefix in capitals, @r@ and @R@ for prefix and
// type of the reference of a fixed-point model; lanes, rows and panels are written for each element type
// (text_of_type).
#ifndef LEQUEL_EMIT_PARTS_H
#define LEQUEL_EMIT_PARTS_H

extern const char part_random_text[], part_uniform_text[], part_below_text[], part_normal_text[],
    part_normal_one_text[], part_child_text[], part_noise_text[], part_sqrt_text[], part_save_text[],
    part_vectors_text[], part_lanes_text[], part_panels_text[], part_rows_text[], part_fixed_text[], part_main_text[],
    part_makefile_text[], part_cmake_text[];

#endif
