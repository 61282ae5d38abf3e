// Holds the attention kernels of compute capability 9.0 against float64: the selection against the rule, output and gradients against attention to what was selected.
//     check [tokens [theta [block [keys that the pool holds [1: also screened, 2: deterministic]]]]]
#include <algorithm>
#include <random>
#include <vector>
#include "threads.h"

struct uint4
{
    unsigned x, y, z, w;
};
struct float2
{
    float x, y;
};
struct float4
{
    float x, y, z, w;
};
static float number_of(unsigned bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
static unsigned bits_of(float x)
{
    unsigned bits;
    memcpy(&bits, &x, 4);
    return bits;
}
static unsigned rounded(float x)
{
    const unsigned bits = bits_of(x);
    return std::isnan(x) ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
static float __int_as_float(int bits) { return number_of(bits); }
static int __float_as_int(float x) { return bits_of(x); }
static float __uint_as_float(unsigned bits) { return number_of(bits); }
static int __popc(unsigned x) { return __builtin_popcount(x); }
static int __ffs(unsigned x) { return __builtin_ffs(x); }

#define __CUDA_ARCH_FEAT_SM90_ALL
#define F16 0
#include "kernels.h"

#if D == 64
typedef ForwardShared RowShared;
static const int RowThreads = FORWARD_THREADS, RowsOfBlock = ROWS;
#else
typedef WideShared RowShared;
static const int RowThreads = WIDE_THREADS, RowsOfBlock = UNITS * UNIT;
#endif
typedef std::vector<double> Doubles;
typedef std::vector<u16> Numbers;
typedef std::vector<float> Floats;
static const int Heads = 2, Chunk = 256, Workers = 3;
static const double Scale = 1 / sqrt((double)D), Border = 1e-3; // products so near to a threshold may fall on either side

// ‖found − expected‖ / ‖expected‖.
struct Distance
{
    double off = 0, all = 0;
    void add(double found, double expected) { off += (found - expected) * (found - expected), all += expected * expected; }
    double value() const { return sqrt(off / all); }
};
static void raise(double& most, double x) { most = std::isnan(x) ? x : std::max(most, x); }

int main(int count, char** arguments)
{
    auto argument = [&](int i, double fallback) { return count > i ? atof(arguments[i]) : fallback; };
    const int n = argument(1, 1300), groupRows = std::min<double>(n, argument(3, 128) * 4), block = std::min<double>(n, argument(3, 128)), capacity = argument(4, 1 << 24), more = argument(5, 0);
    const int groupCount = (n + groupRows - 1) / groupRows, chunks = (n + Chunk - 1) / Chunk, words = (n + 127) / 128 * 4, blockCount = (n + block - 1) / block;
    Shape p = {};
    p.rowStride = D, p.headStride = (long long)n * D, p.words = (long long)words * groupCount, p.rows = n, p.blocks = blockCount, p.heads = Heads;
    p.tiles = groupCount * ((groupRows + 127) / 128), p.groupRows = groupRows, p.block = block, p.step = std::min(4, blockCount), p.init = p.local = std::min(64, n);
    p.theta = argument(2, 3.3), p.groups = groupCount, p.chunk = Chunk, p.chunks = chunks;
    std::vector<Group> ofRows;
    std::vector<Strip> strips;
    const int blocksOfStrip = STRIP / p.step * p.step;
    for (int i = 0; i < groupCount; i++)
    {
        ofRows.push_back({0, (long long)i * words, 0, 0, n, i * groupRows});
        if (i * p.step % blocksOfStrip == 0)
        {
            strips.push_back({i, i * p.step});
        }
    }

    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    const size_t all = (size_t)Heads * n * D;
    auto draw = [&](int every) { // each so many tokens' numbers are three times as large
        Numbers x(all);
        for (size_t i = 0; i < all; i++)
        {
            x[i] = rounded(normal(random) * (every > 0 && i / D % n % every == 0 ? 3 : 1));
        }
        return x;
    };
    const Numbers q = draw(0), k = draw(37), v = draw(0), grad = draw(0);
    auto number = [&](const Numbers& x, int head, int row, int d) { return (double)number_of((u32)x[((size_t)head * n + row) * D + d] << 16); };
    auto dot = [&](const Numbers& x, int row, const Numbers& y, int other, int head) {
        double sum = 0;
        for (int d = 0; d < D; d++)
        {
            sum += number(x, head, row, d) * number(y, head, other, d);
        }
        return sum;
    };

    Floats states((size_t)Heads * p.tiles * 128 * D, NAN), maxima(Heads * n, NAN), sums(Heads * n, NAN), unitSums((size_t)Heads * blockCount * 2 * (D + 1), NAN), thresholds(Heads * blockCount, NAN), gradK(all), gradV(all);
    std::vector<float2> rowSums(Heads * n, {NAN, NAN});
    Numbers meanQueries((size_t)(Heads * blockCount + STRIP) * D), output(all, 0x7fff), gradQ(all, 0x7fff);
    std::vector<int> pool(capacity + 1), orders(Heads);
    std::vector<u32> masks(Heads * p.words, 0xdeadbeef), screen((size_t)Heads * strips.size() * chunks * Chunk / 32);
    std::vector<Listed> lists((size_t)Heads * groupCount * chunks, {-7, -7});
    const int rowBlocks = groupCount * ((groupRows + RowsOfBlock - 1) / RowsOfBlock), selectBlocks = strips.size() * chunks, anchorTiles = (std::min(n, groupRows + 4 * 64) + 63) / 64;
    if (std::max({sizeof(RowShared), sizeof(QueryShared), 2 * sizeof(SelectShared<SELECT_TILE * 2>), 2 * sizeof(KeyShared)}) > SharedBytes)
    {
        fail("too much shared memory");
    }

    launch(RowThreads, rowBlocks, Heads, [&] {
#if D == 64
        anchor_forward(q.data(), k.data(), v.data(), states.data(), maxima.data(), sums.data(), meanQueries.data(), thresholds.data(), pool.data(), ofRows.data(), p);
#else
        anchor_forward(q.data(), k.data(), v.data(), states.data(), maxima.data(), sums.data(), unitSums.data(), pool.data(), ofRows.data(), p);
#endif
    });
#if D == 128
    if (block == ROWS)
    {
        launch(D / 2, groupCount * p.step, Heads, [&] { unit_means(unitSums.data(), meanQueries.data(), thresholds.data(), ofRows.data(), p); });
    }
#endif
    if (block != ROWS)
    {
        launch(128, groupCount * p.step, Heads, [&] { block_means(q.data(), maxima.data(), meanQueries.data(), thresholds.data(), ofRows.data(), p); });
    }
    launch(SELECT_THREADS, selectBlocks, Heads, [&] {
        select_stripes(meanQueries.data(), thresholds.data(), k.data(), nullptr, masks.data(), lists.data(), pool.data(), capacity, strips.data(), blocksOfStrip, 0, ofRows.data(), p);
    });
    // What a group selected of a chunk, key by key.
    auto selected = [&](int head, int group, int chunk) {
        const Listed own = lists[((size_t)head * groupCount + group) * chunks + chunk];
        std::vector<int> keys;
        for (int i = 0; i < own.count && own.start >= 0; i++)
        {
            keys.push_back(pool[own.start + i]);
        }
        for (int key = chunk * Chunk; key < std::min(n, (chunk + 1) * Chunk) && own.start < 0; key++)
        {
            if (masks[head * p.words + ofRows[group].mask + key / 32] >> key % 32 & 1)
            {
                keys.push_back(key);
            }
        }
        return keys;
    };
    if (more == 1) // the screen leaves what was selected, and some that was not
    {
        for (int head = 0; head < Heads; head++)
            for (int group = 0; group < groupCount; group++)
                for (int chunk = 0; chunk < chunks; chunk++)
                {
                    std::vector<int> left = selected(head, group, chunk);
                    for (int i = 0; i < 20; i++)
                    {
                        left.push_back(chunk * Chunk + random() % Chunk);
                    }
                    for (int key : left)
                    {
                        screen[(head * strips.size() + group * p.step / blocksOfStrip) * chunks * Chunk / 32 + key / 32] |= 1u << key % 32;
                    }
                }
        pool[0] = 0;
        launch(SELECT_THREADS, selectBlocks, Heads, [&] {
            select_screened(meanQueries.data(), thresholds.data(), k.data(), screen.data(), masks.data(), lists.data(), pool.data(), capacity, strips.data(), blocksOfStrip, 0, ofRows.data(), p);
        });
    }
    const Floats anchors = maxima;
    launch(RowThreads, rowBlocks, Heads, [&] {
        stripe_forward(q.data(), k.data(), v.data(), states.data(), maxima.data(), sums.data(), masks.data(), pool.data(), lists.data(), output.data(), ofRows.data(), p);
    });
    launch(QUERY_THREADS, groupCount * ((groupRows + QUERY_UNITS * UNIT - 1) / (QUERY_UNITS * UNIT)), Heads, [&] {
        query_backward(q.data(), k.data(), v.data(), output.data(), grad.data(), sums.data(), masks.data(), pool.data(), lists.data(), rowSums.data(), gradQ.data(), ofRows.data(), p);
    });
    launch(KEY_THREADS, (anchorTiles + Workers) * Heads * groupCount, 1, [&] {
        key_backward(q.data(), k.data(), v.data(), grad.data(), rowSums.data(), masks.data(), pool.data(), lists.data(), gradK.data(), gradV.data(), more == 2 ? orders.data() : nullptr,
            anchorTiles, Workers, ofRows.data(), p);
    });

    Distance ofOutput, ofGradQ, ofGradK, ofGradV;
    double anchorOff = 0, logSumOff = 0, meanOff = 0, thresholdOff = 0;
    long keysSelected = 0, masked = 0, border = 0, wrong = 0;
    Doubles expectedK(all), expectedV(all);
    for (int head = 0; head < Heads; head++)
        for (int group = 0; group < groupCount; group++)
        {
            const Group& g = ofRows[group];
            const Bounds b = bounds_of(g, p);
            auto is_anchor = [&](int key) { return key < b.initEnd || (key >= b.localStart && key < b.localEnd); };
            std::vector<char> taken(n), rule(n), near(n);
            for (int chunk = 0; chunk < chunks; chunk++)
            {
                const std::vector<int> keys = selected(head, group, chunk);
                const Listed own = lists[((size_t)head * groupCount + group) * chunks + chunk];
                wrong += own.count != (int)keys.size();
                masked += own.start < 0;
                for (int key : keys)
                {
                    wrong += key < chunk * Chunk || key >= (chunk + 1) * Chunk || taken[key] || is_anchor(key) || key >= b.candidateEnd;
                    taken[key] = 1, keysSelected++;
                }
            }
            for (int first = g.start; first < b.end; first += block)
            {
                const int end = std::min(b.end, first + block), number0 = head * blockCount + first / block;
                Doubles mean(D);
                double anchor = 0;
                for (int row = first; row < end; row++)
                {
                    anchor += anchors[head * n + row];
                    for (int d = 0; d < D; d++)
                    {
                        mean[d] += number(q, head, row, d) / (end - first);
                    }
                }
                const double threshold = (anchor / (end - first) - p.theta * LOG2E) / (Scale * LOG2E);
                raise(thresholdOff, fabs(threshold - thresholds[number0]) / fabs(threshold));
                Doubles found(D);
                for (int d = 0; d < D; d++)
                {
                    found[d] = number_of((u32)meanQueries[(size_t)number0 * D + d] << 16);
                    raise(meanOff, fabs(mean[d] - found[d]));
                }
                for (int key = 0; key < b.candidateEnd; key++)
                {
                    double product = 0;
                    for (int d = 0; d < D && !is_anchor(key); d++)
                    {
                        product += found[d] * number(k, head, key, d);
                    }
                    if (!is_anchor(key))
                    {
                        const double above = product - thresholds[number0];
                        near[key] |= fabs(above) < Border, rule[key] |= above >= Border;
                    }
                }
            }
            for (int key = 0; key < n; key++)
            {
                border += near[key] && !rule[key];
                wrong += rule[key] != taken[key] && !(near[key] && !rule[key]);
            }

            for (int row = g.start; row < b.end; row++)
            {
                Doubles logits(n, -INFINITY), expected(D), slopes(D);
                double most = -INFINITY, anchor = -INFINITY, sum = 0, delta = 0;
                for (int key = 0; key < n; key++)
                {
                    if (is_anchor(key) ? !CAUSAL || key <= row : taken[key])
                    {
                        logits[key] = dot(q, row, k, key, head) * Scale;
                        most = std::max(most, logits[key]);
                        anchor = is_anchor(key) ? std::max(anchor, logits[key]) : anchor;
                    }
                }
                for (int key = 0; key < n; key++)
                {
                    sum += exp(logits[key] - most);
                }
                for (int d = 0; d < D; d++)
                {
                    delta += number(output, head, row, d) * number(grad, head, row, d); // of the output as it was found, as in every flash attention
                }
                for (int key = 0; key < n; key++)
                {
                    if (logits[key] == -INFINITY)
                    {
                        continue;
                    }
                    const double share = exp(logits[key] - most) / sum, slope = share * (dot(grad, row, v, key, head) - delta) * Scale;
                    for (int d = 0; d < D; d++)
                    {
                        const size_t at = ((size_t)head * n + key) * D + d;
                        expected[d] += share * number(v, head, key, d), slopes[d] += slope * number(k, head, key, d);
                        expectedK[at] += slope * number(q, head, row, d), expectedV[at] += share * number(grad, head, row, d);
                    }
                }
                for (int d = 0; d < D; d++)
                {
                    ofOutput.add(number(output, head, row, d), expected[d]);
                    ofGradQ.add(number(gradQ, head, row, d), slopes[d]);
                }
                raise(anchorOff, fabs(anchor * LOG2E - anchors[head * n + row]));
                raise(logSumOff, fabs(most + log(sum) - sums[head * n + row]));
            }
        }
    for (size_t i = 0; i < all; i++)
    {
        ofGradK.add(gradK[i], expectedK[i]), ofGradV.add(gradV[i], expectedV[i]);
    }
    printf("d = %d%s, %d tokens: output %.4f, dq %.4f, dk %.4f, dv %.4f; anchors %.1e, normalisers %.1e, means %.1e, thresholds %.1e; %ld selected (%ld chunks as masks), %ld at the border, %ld wrong\n", D,
        CAUSAL ? ", causal" : "", n, ofOutput.value(), ofGradQ.value(), ofGradK.value(), ofGradV.value(), anchorOff, logSumOff, meanOff, thresholdOff, keysSelected, masked, border, wrong);
    const bool well = wrong == 0 && ofOutput.value() < 0.004 && ofGradQ.value() < 0.005 && ofGradK.value() < 0.005 && ofGradV.value() < 0.005 && anchorOff < 1e-4 && logSumOff < 1e-4 && meanOff < 0.02 && thresholdOff < 1e-3;
    return well ? 0 : 1;
}
