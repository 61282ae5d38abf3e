// A block's threads as fibers: each runs until it waits for others.
#pragma once
#include <ucontext.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>

struct Place
{
    int x, y;
};
static Place threadIdx, blockIdx, gridDim;

static const int MostThreads = 512, StackBytes = 1 << 16;
static const long MostTurns = 400000000; // more, and they wait for each other for ever
static ucontext_t scheduler, threads[MostThreads];
static char* stacks[MostThreads];
static bool running[MostThreads];
static int current, runningCount;
static long turns;
static std::function<void()> kernel;

[[noreturn]] static void fail(const char* what)
{
    printf("%s\n", what);
    exit(1);
}

static void let_others_run()
{
    if (++turns > MostTurns)
    {
        fail("deadlock");
    }
    const int own = current;
    swapcontext(&threads[own], &scheduler);
}

// So many threads wait for each other.
struct Meeting
{
    int arrived, number;

    void wait(int count)
    {
        const int own = number;
        if (++arrived == count)
        {
            arrived = 0, number++;
            return;
        }
        while (number == own)
        {
            let_others_run();
        }
    }
};
static Meeting everybody, groups[16];
static void __syncthreads() { everybody.wait(runningCount); }

// What each thread of a warp hands to the others.
struct Warp
{
    unsigned long long given[32], taken[32];
    Meeting meeting;
};
static Warp warps[MostThreads / 32];

static const unsigned long long* exchange(unsigned long long own)
{
    Warp& warp = warps[current / 32];
    warp.given[current % 32] = own;
    const int number = warp.meeting.number;
    if (warp.meeting.arrived == 31)
    {
        memcpy(warp.taken, warp.given, sizeof warp.taken);
    }
    warp.meeting.wait(32);
    return warp.taken;
}
template <class T> static T __shfl_sync(unsigned, T own, int lane)
{
    unsigned long long bits = 0;
    memcpy(&bits, &own, sizeof own);
    const unsigned long long* all = exchange(bits);
    T result;
    memcpy(&result, &all[lane & 31], sizeof result);
    return result;
}
template <class T> static T __shfl_xor_sync(unsigned mask, T own, int other) { return __shfl_sync(mask, own, current % 32 ^ other); }
template <class T> static T __shfl_up_sync(unsigned mask, T own, int by) { return __shfl_sync(mask, own, current % 32 >= by ? current % 32 - by : current % 32); }
static int count_of(bool own)
{
    const unsigned long long* all = exchange(own);
    int count = 0;
    for (int i = 0; i < 32; i++)
    {
        count += all[i] != 0;
    }
    return count;
}
static bool __any_sync(unsigned, bool own) { return count_of(own) > 0; }
static bool __all_sync(unsigned, bool own) { return count_of(own) == 32; }
static void __syncwarp() { exchange(0); }
static void __nanosleep(int) { let_others_run(); }
static void __threadfence() {}
static int atomicAdd(int* to, int value) { return (*to += value) - value; }
template <class T> static T atomicOr(T* to, T value)
{
    const T before = *to;
    *to |= value;
    return before;
}

// Barriers in shared memory, by their addresses.
struct SharedBarrier
{
    int count, missing, phase;
};
static std::map<unsigned, SharedBarrier> barriers;

static void run_thread()
{
    kernel();
    running[current] = false;
    runningCount--;
    if (runningCount > 0 && everybody.arrived == runningCount)
    {
        everybody.arrived = 0, everybody.number++;
    }
    swapcontext(&threads[current], &scheduler);
}

// Runs a grid, block by block.
static void launch(int threadCount, int width, int height, std::function<void()> what)
{
    kernel = what;
    gridDim = {width, height};
    for (int block = 0; block < width * height; block++)
    {
        memset(warps, 0, sizeof warps), memset(groups, 0, sizeof groups);
        barriers.clear();
        everybody = {}, runningCount = threadCount;
        for (int i = 0; i < threadCount; i++)
        {
            stacks[i] = stacks[i] ? stacks[i] : (char*)malloc(StackBytes);
            getcontext(&threads[i]);
            threads[i].uc_stack.ss_sp = stacks[i], threads[i].uc_stack.ss_size = StackBytes, threads[i].uc_link = &scheduler;
            makecontext(&threads[i], run_thread, 0);
            running[i] = true;
        }
        while (runningCount > 0)
        {
            for (int i = 0; i < threadCount; i++)
            {
                if (running[i])
                {
                    current = i, threadIdx = {i, 0}, blockIdx = {block % width, block / width};
                    swapcontext(&scheduler, &threads[i]);
                }
            }
        }
    }
}
