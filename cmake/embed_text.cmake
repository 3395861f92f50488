# Writes a C file with the bytes of INPUT: `const char NAME_text[]`, NUL-terminated, and `NAME_length` without the NUL.
file(READ "${INPUT}" bytes HEX)
string(LENGTH "${bytes}" length)
math(EXPR length "${length} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}") # 16 bytes a line
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
file(WRITE "${OUTPUT}" "extern const char ${NAME}_text[];
extern const unsigned long ${NAME}_length;
const char ${NAME}_text[] = {
${bytes}0};
const unsigned long ${NAME}_length = ${length};
")
