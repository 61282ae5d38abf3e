using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>Adds up loss terms on their device, so that the host waits for the device only when somebody wants to know.</summary>
internal sealed class LossSums(int count) : IDisposable
{
    private Tensor? _sums;

    /// <summary>Adds one step's terms: [count].</summary>
    public void Add(Tensor terms)
    {
        using var exact = terms.to(ScalarType.Float64);
        _sums ??= zeros(count, dtype: ScalarType.Float64, device: terms.device).DetachFromDisposeScope();
        _sums.add_(exact);
    }

    /// <summary>Adds the sums to those on the host, and starts from zero.</summary>
    public void MoveTo(double[] sums)
    {
        if (_sums is null)
        {
            return;
        }

        using var host = _sums.cpu();
        var values = host.data<double>().ToArray();
        for (var i = 0; i < count; i++)
        {
            sums[i] += values[i];
        }

        _sums.zero_();
    }

    /// <inheritdoc/>
    public void Dispose() => _sums?.Dispose();
}
