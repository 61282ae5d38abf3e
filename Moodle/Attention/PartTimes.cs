using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>Sums up how long each part of the blocked path takes; asynchronous devices are waited for.</summary>
internal sealed class PartTimes(Device device)
{
    private readonly Stopwatch _lap = Stopwatch.StartNew();

    /// <summary>Rows over their anchor region, and the anchors themselves.</summary>
    public TimeSpan Anchor { get; private set; }

    /// <summary>Scores and index lists.</summary>
    public TimeSpan Selection { get; private set; }

    /// <summary>Rows over their stripes, and joining that to the anchor part.</summary>
    public TimeSpan Sparse { get; private set; }

    /// <summary>Begins to measure.</summary>
    public void Start()
    {
        Wait();
        _lap.Restart();
    }

    /// <summary>Ends a part that began at the last call.</summary>
    public void EndAnchor() => Anchor += Lap();

    /// <inheritdoc cref="EndAnchor"/>
    public void EndSelection() => Selection += Lap();

    /// <inheritdoc cref="EndAnchor"/>
    public void EndSparse() => Sparse += Lap();

    private TimeSpan Lap()
    {
        Wait();
        var lap = _lap.Elapsed;
        _lap.Restart();
        return lap;
    }

    private void Wait() => WaitFor(device);

    /// <summary>Waits until a device has done what it was asked for.</summary>
    public static void WaitFor(Device device)
    {
        if (device.type == DeviceType.CUDA)
        {
            cuda.synchronize(device);
        }
    }
}
