"""Makes C++ of the attention kernels, so that they can be held against float64 where there is no GPU.

    python3 emulate.py [--size 64|128] [--causal] [check's arguments]      needs g++

The kernels' own text is compiled; only the functions that are assembly are left out, device.h has others in their place.
"""
import argparse
import pathlib
import re
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
KERNELS = HERE.parents[2] / "Moodle" / "Attention" / "Kernels"
FILES = ["prelude.cu", "forward.cu", "units.cu", "forward_wide.cu", "select.cu", "query_backward.cu", "query_wide.cu", "key_backward.cu"]
ASSEMBLY = """shared_address copy16 copy8 copy_commit copy_wait load_matrix load_matrix_transposed multiply products_begin products_commit products_wait hold show_to_products
    multiply_rows multiply_tiles multiply_values pack low_of high_of exp2_of wait_for_group barrier_make barrier_arrive barrier_arrive_with_copies barrier_wait
    become_copier become_unit add2 sum_of_warp""".split()


def end_of(text, at, opening, closing):
    """Where what is opened at `at` is closed; what stands in quotes does not count."""
    depth, quoted = 0, False
    for i in range(at, len(text)):
        if text[i] == '"' and text[i - 1] != "\\":
            quoted = not quoted
        elif not quoted and text[i] == opening:
            depth += 1
        elif not quoted and text[i] == closing:
            depth -= 1
            if depth == 0:
                return i
    raise ValueError("not closed")


def without(text, name):
    """The text without the definitions of a function."""
    definition = re.compile(r"(?m)^(template <[^\n]*>\s*)?__device__ __forceinline__ [^\n(]*?\b" + name + r"\(")
    while match := definition.search(text):
        body = text.index("{", end_of(text, match.end() - 1, "(", ")"))
        text = text[: match.start()] + text[end_of(text, body, "{", "}") + 1 :]
    return text


def translated():
    """All kernels as C++."""
    text = "\n".join((KERNELS / name).read_text() for name in FILES)
    for name in ASSEMBLY:
        text = without(text, name)
    types = text.index("#define LOG2E")
    text = text[:types] + '#include "device.h"\n' + text[types:]
    text = text.replace("extern __shared__ __align__(1024) uint4 memory[];", "uint4* memory = (uint4*)shared_memory;")
    text = re.sub(r"__launch_bounds__\([^\n]*\)\n", "\n", text)
    text = re.sub(r"void\s+__launch_bounds__\([^)]*\)", "void", text)
    for cuda, plain in {'extern "C" __global__': "static", "__device__ __forceinline__": "inline", "__device__ __noinline__": "", "__align__(16)": "", "__shared__": "static", "__restrict__": ""}.items():
        text = text.replace(cuda, plain)
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--causal", action="store_true")
    own, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        (at / "kernels.h").write_text(translated())
        subprocess.run(["g++", "-O2", "-w", "-std=c++17", f"-DD={own.size}", f"-DCAUSAL={int(own.causal)}", f"-I{at}", f"-I{HERE}", "-o", at / "check", HERE / "check.cpp"], check=True)
        subprocess.run([at / "check", *rest], check=True)


main()
