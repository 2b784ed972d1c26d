#!/bin/sh
# Counts the loops of an object file that use wide registers: one edit can silently cost 10x.
# usage: count_vector_loops.sh loops_avx2.o loops_math_avx2.o ...   [ALLOWED=n: fail above n scalar loops]
# Integer division of 64 bits has no vector instruction, and stays scalar by nature.
set -eu
: "${ALLOWED:=1000000}"
status=0
for object in "$@"; do
  objdump -d --no-show-raw-insn -C "$object" | awk -v object="$object" -v allowed="$ALLOWED" '
    function flush() {
      if (name != "") { total++; if (wide) vector++; else list = list "\n  " name }
    }
    /^[0-9a-f]+ </ {
      flush(); name = ""; wide = 0
      if ($0 ~ /(unary|binary|fused|choose|blocked|random|lanes_step)</) {
        name = $0; sub(/^[0-9a-f]+ </, "", name); sub(/>:$/, "", name)
        gsub(/etch::runtime::[a-z0-9]+::\(anonymous namespace\)::/, "", name)
        sub(/\(etch::runtime::LoopArgs const&\)/, "", name)
      }
    }
    /%[yz]mm/ { wide = 1 }
    END {
      flush()
      printf "%s: %d of %d loops use vectors", object, vector, total
      if (total > vector) printf "; scalar:%s", list
      printf "\n"
      exit (total - vector > allowed) ? 1 : 0
    }' || status=1
done
exit $status
