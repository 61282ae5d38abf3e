using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// Where the time of a run goes: seconds and calls of named parts, and what the work that was counted for them reaches of the device's own measured ceilings
/// (a large matrix product, a large copy). On a GPU every part waits for the device at its end, so that a profiled run is somewhat slower than another.
/// </summary>
public sealed class Profile
{
    private readonly Device? _device;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Dictionary<string, Entry> _parts = new(StringComparer.Ordinal);

    private Profile(Device? device) => _device = device;

    /// <summary>Measures nothing and costs nothing.</summary>
    public static Profile Off { get; } = new(null);

    /// <summary>Begins to measure.</summary>
    /// <param name="device">The device that works.</param>
    public static Profile On(Device device) => new(device);

    /// <summary>Whether anything is measured.</summary>
    public bool IsOn => _device is not null;

    /// <summary>Times a part until what is returned is disposed. Parts do not lie within each other.</summary>
    /// <param name="name">Its name, such as <c>unimodal: forward</c>.</param>
    /// <param name="flops">Floating-point operations of its matrix products.</param>
    /// <param name="bytes">Bytes that it must read and write at least.</param>
    /// <returns>What ends the part; null where nothing is measured.</returns>
    public IDisposable? Part(string name, double flops = 0, double bytes = 0) => _device is null ? null : new Timer(this, _device, name, flops, bytes);

    /// <summary>Measures the ceilings and writes the figures beside what they belong to.</summary>
    /// <param name="path">The JSON file.</param>
    /// <returns>The figures as lines of text.</returns>
    public IReadOnlyList<string> Write(string path)
    {
        var total = _clock.Elapsed.TotalSeconds;
        var (matrix, copy) = Ceilings(_device!);
        var parts = _parts.OrderByDescending(part => part.Value.Seconds).Select(part => new
        {
            name = part.Key,
            seconds = Math.Round(part.Value.Seconds, 4),
            calls = part.Value.Calls,
            share = Math.Round(part.Value.Seconds / total, 4),
            teraflops = Math.Round(part.Value.Flops / part.Value.Seconds / 1e12, 3),
            gigabytes_per_second = Math.Round(part.Value.Bytes / part.Value.Seconds / 1e9, 1),
            of_matrix_ceiling = Math.Round(part.Value.Flops / part.Value.Seconds / matrix, 4),
            of_copy_ceiling = Math.Round(part.Value.Bytes / part.Value.Seconds / copy, 4),
        }).ToArray();
        var unnamed = total - _parts.Values.Sum(part => part.Seconds);
        var profile = new
        {
            device = _device!.ToString(),
            seconds = Math.Round(total, 3),
            matrix_ceiling_teraflops = Math.Round(matrix / 1e12, 2),
            copy_ceiling_gigabytes_per_second = Math.Round(copy / 1e9, 1),
            other_seconds = Math.Round(unnamed, 3),
            parts,
        };
        AtomicFile.WriteText(path, JsonSerializer.Serialize(profile, s_json) + "\n");
        string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
        return
        [
            Line($"profile: {total:F1} s on {_device}; ceilings {matrix / 1e12:F1} TFLOP/s (matrix product), {copy / 1e9:F0} GB/s (copy, read and write)"),
            .. parts.Select(part => Line($"profile: {part.name,-30} {part.seconds,9:F3} s {part.share,6:P1} {part.calls,8:N0} calls")
                + (part.of_matrix_ceiling > 0 ? Line($"; {part.of_matrix_ceiling:P0} of the matrix ceiling") : "")
                + (part.of_copy_ceiling > 0 ? Line($"; {part.of_copy_ceiling:P0} of the copy ceiling") : "")),
            Line($"profile: {"everything else",-30} {unnamed,9:F3} s {unnamed / total,6:P1}"),
        ];
    }

    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true };

    // In the precision that is set now. Medians of some rounds, the first left out.
    private static (double Flops, double Bytes) Ceilings(Device device)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var onGpu = device.type == DeviceType.CUDA;
        var n = onGpu ? 8192L : 1024L;
        var (a, b) = (rand(n, n, device: device), rand(n, n, device: device));
        var numbers = onGpu ? 1L << 28 : 1L << 25;
        var (from, to) = (zeros(numbers, device: device), zeros(numbers, device: device));
        double Median(Action work)
        {
            var seconds = new double[9];
            for (var i = -1; i < seconds.Length; i++)
            {
                Wait(device);
                var watch = Stopwatch.StartNew();
                work();
                Wait(device);
                seconds[Math.Max(0, i)] = watch.Elapsed.TotalSeconds;
            }

            Array.Sort(seconds);
            return seconds[seconds.Length / 2];
        }

        var matrix = 2.0 * n * n * n / Median(() => mm(a, b).Dispose());
        return (matrix, 8.0 * from.numel() / Median(() => to.copy_(from)));
    }

    private static void Wait(Device device)
    {
        if (device.type == DeviceType.CUDA)
        {
            cuda.synchronize();
        }
    }

    private sealed class Entry
    {
        public double Seconds { get; set; }

        public int Calls { get; set; }

        public double Flops { get; set; }

        public double Bytes { get; set; }
    }

    private sealed class Timer(Profile profile, Device device, string name, double flops, double bytes) : IDisposable
    {
        private readonly long _start = Stopwatch.GetTimestamp();

        public void Dispose()
        {
            Wait(device);
            if (!profile._parts.TryGetValue(name, out var entry))
            {
                profile._parts.Add(name, entry = new Entry());
            }

            entry.Seconds += Stopwatch.GetElapsedTime(_start).TotalSeconds;
            (entry.Calls, entry.Flops, entry.Bytes) = (entry.Calls + 1, entry.Flops + flops, entry.Bytes + bytes);
        }
    }
}
