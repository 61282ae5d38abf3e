namespace Moodle.Runtime;

/// <summary>What <see cref="LibTorch.Load"/> loaded, and from where.</summary>
public sealed record LibTorchInfo
{
    /// <summary>The folder that libtorch's libraries were loaded from; null where TorchSharp found them by itself (Windows, macOS).</summary>
    public string? Folder { get; init; }

    /// <summary>The file of TorchSharp's native library that was loaded; null where TorchSharp found it by itself.</summary>
    public string? Wrapper { get; init; }

    /// <summary>Whether the native library is a copy without the strict need of a newer libstdc++ (see <see cref="LibTorch"/>).</summary>
    public bool Patched { get; init; }

    /// <summary>Whether the folder was given by <c>MOODLE_LIBTORCH</c>.</summary>
    public bool External { get; init; }

    /// <summary>Whether its convolutions on the CPU were held to AVX2, as the processor does not tell of its caches and oneDNN would compute them wrongly.</summary>
    public bool Restricted { get; init; }

    /// <summary>Whether the folder holds libtorch's CUDA part.</summary>
    public bool HasCudaLibraries { get; init; }

    /// <summary>The highest GLIBCXX version of the libstdc++ in this process, such as <c>3.4.30</c>; null where there is none.</summary>
    public string? LibStdCxxVersion { get; init; }
}
