// Rotary positions (Su et al. 2021) of a layer's queries and keys, both at once. NVRTC compiles this file without any header; the host's side is
// Moodle/Encoders/Cuda/RotaryFunction.cs.
typedef long long i64;
typedef unsigned short bf16;

__device__ __forceinline__ float from(float x) { return x; }
__device__ __forceinline__ float from(bf16 x) { return __uint_as_float((unsigned)x << 16); }

__device__ __forceinline__ void put(float* at, float x) { *at = x; }
__device__ __forceinline__ void put(bf16* at, float x)
{
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(*at) : "f"(x));
}

// Four numbers that are read and written as one.
template <typename T>
struct __align__(4 * sizeof(T)) Four
{
    T of[4];
};

// packed is [tokens, 3, heads, d]: queries, keys and values; apart [3, tokens, heads, d], each of them a tensor of its own without a copy. Each thread takes four pairs of
// dimensions; values are only copied. Turns packed to apart, or apart back to packed, which is the gradient.
template <bool Back, typename T>
__device__ __forceinline__ void turn(const T* input, T* output, const float* cosine, const float* sine, int tokens, int heads, int half)
{
    const int steps = half / 4;
    const i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (i64)tokens * 3 * heads * steps)
    {
        return;
    }
    const i64 row = at / steps, token = row / (3 * heads);
    const int step = at % steps * 4, ofToken = row % (3 * heads), part = ofToken / heads;
    const i64 packed = row * 2 * half + step, apart = (((i64)part * tokens + token) * heads + ofToken % heads) * 2 * half + step;
    const T* source = input + (Back ? apart : packed);
    Four<T> a = *(const Four<T>*)source, b = *(const Four<T>*)(source + half);
    if (part < 2)
    {
        const i64 angle = token * half + step;
        const Four<float> c = *(const Four<float>*)(cosine + angle), s = *(const Four<float>*)(sine + angle);
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            const float x = from(a.of[i]), y = from(b.of[i]), turning = Back ? -s.of[i] : s.of[i];
            put(&a.of[i], x * c.of[i] - y * turning);
            put(&b.of[i], y * c.of[i] + x * turning);
        }
    }
    T* target = output + (Back ? packed : apart);
    *(Four<T>*)target = a;
    *(Four<T>*)(target + half) = b;
}

#define TURN(name, type, back) \
    extern "C" __global__ void __launch_bounds__(256) \
    name(const type* __restrict__ source, type* __restrict__ turned, const float* __restrict__ cosine, const float* __restrict__ sine, int tokens, int heads, int half) \
    { \
        turn<back>(source, turned, cosine, sine, tokens, heads, half); \
    }

TURN(turn_float32, float, false)
TURN(turn_bfloat16, bf16, false)
TURN(turn_back_float32, float, true)
TURN(turn_back_bfloat16, bf16, true)
