using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// Keeps oneDNN, by which libtorch convolves on the CPU, from a fault of it. On an AMD processor oneDNN 3.7 asks CPUID leaf 0x8000001D for the sizes of the caches,
/// and where a virtual machine leaves that leaf empty it reckons with one byte. Its reorders then put loops in an order in which channels that fill up a block (of 16
/// with AVX-512, of 8 with AVX2) overwrite weights instead of being zeroed: convolutions are wrong by 15 % and more, or not finite, for any number of channels that is
/// no multiple of the block. So oneDNN is held to AVX2 on such a machine. The convolutional network's widths are multiples of 8; where those of a network from elsewhere
/// are not, channels are added (<see cref="MissingChannels"/>).
/// </summary>
internal static partial class OneDnn
{
    /// <summary>The environment variable that oneDNN reads when it is first used.</summary>
    public const string LimitVariable = "ONEDNN_MAX_CPU_ISA";

    /// <summary>
    /// The instructions that it is held to. Where both are right, 3 × 3 convolutions of 64 pictures take longer than with AVX-512: 13.3 ms in place of 8.9 (32 channels of
    /// 32 × 32) and 13.2 in place of 6.5 (64 of 16 × 16; with gradients 40 in place of 21), the least of 20 calls on one core of a Zen 5. SSE41, which is right for any
    /// number of channels, takes 32 and 28.5 ms.
    /// </summary>
    public const string Limit = "AVX2";

    private const long Block = 8;
    private const string OldLimitVariable = "DNNL_MAX_CPU_ISA";
    private const int CacheLeaf = unchecked((int)0x8000001D);

    /// <summary>Whether the processor is one of AMD that does not tell of its caches.</summary>
    public static bool LacksCaches { get; } = FindLacksCaches();

    /// <summary>What the user holds oneDNN to; null for nothing.</summary>
    public static string? UsersLimit => Given(LimitVariable) ?? Given(OldLimitVariable);

    /// <summary>Sets the limit where it is needed and the user has set none; to be called before libtorch is loaded.</summary>
    /// <returns>Whether it was set.</returns>
    public static bool Restrict()
    {
        if (!LacksCaches || UsersLimit is not null)
        {
            return false;
        }

        if (OperatingSystem.IsWindows())
        {
            Environment.SetEnvironmentVariable(LimitVariable, Limit);
            return true;
        }

        try
        {
            // .NET changes a copy of the environment that native code does not see.
            return SetVariable(LimitVariable, Limit, 1) == 0;
        }
        catch (Exception exception) when (exception is EntryPointNotFoundException or DllNotFoundException)
        {
            return false;
        }
    }

    /// <summary>How many channels of zeros an input needs on the CPU so that a convolution of it is right, under <see cref="Limit"/>; few channels do without.</summary>
    /// <param name="channels">That the input has.</param>
    public static long MissingChannels(long channels) => LacksCaches && channels > Block ? (Block - (channels % Block)) % Block : 0;

    /// <summary>How far a convolution, 3 × 3, of two random pictures of 8 × 8 is from the same in float64, as a share of its size; not a number where it is not finite.</summary>
    /// <param name="channels">Of the input and of the output.</param>
    public static double ErrorOfConvolution(long channels)
    {
        LibTorch.Load();
        using var none = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var (x, weight) = (randn([2, channels, 8, 8], generator: generator), randn([channels, channels, 3, 3], generator: generator));
        // Every pixel's neighbourhood as a column, so that a product of matrices is the convolution.
        var expected = weight.to(ScalarType.Float64).flatten(1).matmul(nn.functional.unfold(x.to(ScalarType.Float64), 3, padding: 1)).view(2, channels, 8, 8);
        return ((nn.functional.conv2d(x, weight, padding: [1, 1]) - expected).norm() / expected.norm()).item<double>();
    }

    private static string? Given(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    private static bool FindLacksCaches()
    {
        if (!X86Base.IsSupported)
        {
            return false;
        }

        var (_, first, third, second) = X86Base.CpuId(0, 0);
        Span<int> vendor = [first, second, third];
        // The kind of the first cache; 0 says that there is none.
        return Encoding.ASCII.GetString(MemoryMarshal.AsBytes(vendor)) == "AuthenticAMD" && (X86Base.CpuId(CacheLeaf, 0).Eax & 31) == 0;
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
