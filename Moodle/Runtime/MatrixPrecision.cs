using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// How a GPU multiplies float32 matrices: in full, or with factors rounded to TF32 (10 bits after the point) and sums in float32, several times as fast.
/// Training bears the latter; ranks are counted from products in full. libtorch keeps one such switch for the process.
/// </summary>
internal readonly struct MatrixPrecision : IDisposable
{
    private readonly bool _before;

    private MatrixPrecision(bool rounded)
    {
        _before = backends.cuda.matmul.allow_tf32;
        backends.cuda.matmul.allow_tf32 = rounded;
        backends.cudnn.allow_tf32 = rounded;
    }

    /// <summary>Products in full until disposed.</summary>
    public static MatrixPrecision Full() => new(false);

    /// <summary>Rounded factors until disposed.</summary>
    public static MatrixPrecision Rounded() => new(true);

    /// <inheritdoc/>
    public void Dispose()
    {
        backends.cuda.matmul.allow_tf32 = _before;
        backends.cudnn.allow_tf32 = _before;
    }
}
