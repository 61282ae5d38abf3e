using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Security.Cryptography;
using TorchSharp;

namespace Moodle.Runtime;

/// <summary>
/// Makes TorchSharp's native library load. On Linux TorchSharp leaves two cases open, which are handled here; elsewhere its own
/// loading is used.
/// <list type="bullet">
/// <item>Its native library asks for symbol version GLIBCXX_3.4.32 (GCC 13) through one symbol that is never called, so that
/// Debian 12, Ubuntu 22.04 and RHEL 9 refuse it. Where libstdc++ lacks that version, a copy in which that one need is weak is
/// loaded instead, from the user's cache folder.</item>
/// <item>The libtorch of an installed Python PyTorch can be used: <c>MOODLE_LIBTORCH=.../site-packages/torch/lib</c>.</item>
/// </list>
/// Nothing of TorchSharp may be used before <see cref="Load"/>.
/// </summary>
public static class LibTorch
{
    /// <summary>The environment variable that names the folder of another libtorch.</summary>
    public const string FolderVariable = "MOODLE_LIBTORCH";

    private const string WrapperFile = "libLibTorchSharp.so";
    private const string NewestVersion = "GLIBCXX_3.4.32";

    // In the order in which one needs the other; those that are missing or belong to CUDA are skipped in a build for the CPU.
    private static readonly string[] s_libraries = ["libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];

    private static readonly Lazy<LibTorchInfo> s_loaded = new(LoadOnce);

    /// <summary>Loads libtorch and TorchSharp's native library, once; later calls return the same answer or throw the same error.</summary>
    /// <exception cref="LibTorchException">They cannot be loaded; the message says which file, why, and the remedy.</exception>
    public static LibTorchInfo Load() => s_loaded.Value;

    /// <summary>The folders in which native libraries of this program may lie, most specific first.</summary>
    internal static IEnumerable<string> NativeFolders()
    {
        var known = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var rid = OperatingSystem.IsLinux() ? "linux-x64" : RuntimeInformation.RuntimeIdentifier;
        return known.Append(AppContext.BaseDirectory)
            .Append(Path.Combine(AppContext.BaseDirectory, "runtimes", rid, "native"))
            .Select(Path.TrimEndingDirectorySeparator)
            .Distinct();
    }

    private static LibTorchInfo LoadOnce()
    {
        var restricted = OneDnn.Restrict();
        var external = Environment.GetEnvironmentVariable(FolderVariable);
        if (string.IsNullOrWhiteSpace(external))
        {
            external = null;
        }
        if (!OperatingSystem.IsLinux())
        {
            return external is null
                ? LoadByTorchSharp(restricted)
                : throw new LibTorchException($"{FolderVariable} works on Linux only; unset it and build with -p:TorchBackend=cpu or cuda.");
        }
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            throw new LibTorchException(
                $"TorchSharp has no native library for Linux on {RuntimeInformation.ProcessArchitecture}; use Linux x64, Windows x64 or macOS arm64.");
        }

        var wrapper = Find(WrapperFile) ?? throw new LibTorchException(
            $"{WrapperFile} is missing (looked in {string.Join(", ", NativeFolders())}); build or install the program again.");
        var folder = FindLibTorch(external);
        foreach (var file in s_libraries.Select(name => Path.Combine(folder, name)).Where(File.Exists))
        {
            Open(file);
        }

        var libStdCxx = LibStdCxx.Find();
        var patched = libStdCxx is not null && !libStdCxx.Versions.Contains(NewestVersion);
        var (handle, loadedFrom) = patched ? OpenPatched(wrapper) : (Open(wrapper), wrapper);
        HandOut(handle);
        return new LibTorchInfo
        {
            Folder = folder,
            Wrapper = loadedFrom,
            Patched = patched,
            External = external is not null,
            Restricted = restricted,
            HasCudaLibraries = File.Exists(Path.Combine(folder, "libtorch_cuda.so")),
            LibStdCxxVersion = libStdCxx?.Newest,
        };
    }

    private static LibTorchInfo LoadByTorchSharp(bool restricted)
    {
        try
        {
            torch.InitializeDeviceType(DeviceType.CPU);
            return new LibTorchInfo { Restricted = restricted };
        }
        catch (Exception e) when (e is NotSupportedException or DllNotFoundException or TypeInitializationException or BadImageFormatException)
        {
            throw new LibTorchException(
                $"libtorch cannot be loaded: {LastLine(e)}; build with -p:TorchBackend=cpu or cuda (Windows: install the Visual C++ runtime).", e);
        }
    }

    private static string? Find(string file) =>
        NativeFolders().Select(folder => Path.Combine(folder, file)).FirstOrDefault(File.Exists);

    private static string FindLibTorch(string? external)
    {
        var own = Path.GetDirectoryName(Find("libtorch_cpu.so"));
        if (external is null)
        {
            return own ?? throw new LibTorchException(
                $"no libtorch: libtorch_cpu.so is missing (looked in {string.Join(", ", NativeFolders())}); "
                + $"build with -p:TorchBackend=cpu or cuda, or set {FolderVariable} to the folder torch/lib of a Python PyTorch.");
        }
        var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(external));
        if (!File.Exists(Path.Combine(folder, "libtorch_cpu.so")))
        {
            throw new LibTorchException(
                $"{FolderVariable}: {folder} holds no libtorch_cpu.so; name the folder torch/lib of a Python PyTorch 2.10 or later.");
        }
        // TorchSharp's static constructor loads libtorch_cpu by name, from the program's folders first; two in one process end it.
        return own is null || own == folder ? folder : throw new LibTorchException(
            $"{FolderVariable} cannot stand in for the libtorch in {own}; unset it, or build with -p:TorchBackend=external.");
    }

    private static nint Open(string file)
    {
        try
        {
            return NativeLibrary.Load(file);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            var remedy = Environment.GetEnvironmentVariable(FolderVariable) is null
                ? "run \"moodle doctor\" to see what the system lacks"
                : $"check that {FolderVariable} names a complete PyTorch 2.10 or later for this system";
            throw new LibTorchException($"{file} cannot be loaded: {LastLine(e)}; {remedy}.", e);
        }
    }

    private static (nint Handle, string Path) OpenPatched(string wrapper)
    {
        byte[] content;
        try
        {
            content = File.ReadAllBytes(wrapper);
            ElfVersions.MakeWeak(content, NewestVersion);
        }
        catch (Exception e) when (e is InvalidDataException or OverflowException or IOException or UnauthorizedAccessException)
        {
            throw new LibTorchException($"{wrapper} cannot be read: {LastLine(e)}; build or install the program again.", e);
        }

        try
        {
            var cached = WriteToCache(content);
            return (NativeLibrary.Load(cached), cached);
        }
        catch (Exception e) when (e is InputException or IOException or UnauthorizedAccessException or DllNotFoundException)
        {
            // A full or read-only disk, or one mounted without execution: the loaded library outlives its file.
        }

        string? temporary = null;
        try
        {
            temporary = Directory.CreateTempSubdirectory("moodle-").FullName;
            var file = Path.Combine(temporary, WrapperFile);
            File.WriteAllBytes(file, content);
            return (NativeLibrary.Load(file), file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or DllNotFoundException)
        {
            throw new LibTorchException(
                $"a copy of {wrapper} that suits this system's libstdc++ can be loaded neither from the cache folder nor from {Path.GetTempPath()}: "
                + $"{LastLine(e)}; set XDG_CACHE_HOME to a writable folder.", e);
        }
        finally
        {
            if (temporary is not null)
            {
                Directory.Delete(temporary, recursive: true);
            }
        }
    }

    /// <summary>Named by content, written beside and renamed: processes that start at once cannot disturb each other.</summary>
    private static string WriteToCache(byte[] content)
    {
        // Code is loaded from a folder of the user's own alone.
        var folder = UserCache.OwnFolder("native") ?? throw new DirectoryNotFoundException("no cache folder can be written");
        var file = Path.Combine(folder, $"libLibTorchSharp-{Convert.ToHexStringLower(SHA256.HashData(content))[..16]}.so");
        if (!File.Exists(file) || !File.ReadAllBytes(file).AsSpan().SequenceEqual(content))
        {
            AtomicFile.Write(file, stream => stream.Write(content));
        }
        return file;
    }

    private static void HandOut(nint handle)
    {
        var assembly = typeof(torch).Assembly;
        static bool IsWrapper(string name) => name.Contains("LibTorchSharp", StringComparison.Ordinal);
        AssemblyLoadContext.GetLoadContext(assembly)!.ResolvingUnmanagedDll += (_, name) => IsWrapper(name) ? handle : 0;
        try
        {
            // Asked before the runtime searches its folders, where the original file lies.
            NativeLibrary.SetDllImportResolver(assembly, (name, _, _) => IsWrapper(name) ? handle : 0);
        }
        catch (InvalidOperationException)
        {
            // Somebody set one already: the event above still answers once the search has failed.
        }
    }

    /// <summary>The loader's reason stands in the last line of the runtime's message.</summary>
    private static string LastLine(Exception e) =>
        e.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).LastOrDefault() ?? e.GetType().Name;
}
