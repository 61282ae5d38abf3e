using System.Runtime.InteropServices;
using System.Text;

namespace Moodle.Runtime.Cuda;

/// <summary>NVRTC, CUDA's run-time compiler. CUDA builds of libtorch bring it; PyTorch's wheels keep it in a package of its own; a CUDA toolkit has it too.</summary>
internal static unsafe class CudaCompiler
{
    private static readonly Lazy<nint> s_library = new(Find);

    private static readonly string[] s_names = OperatingSystem.IsWindows() ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"] : ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];

    /// <summary>That it was not found, under which names, as the end of a sentence.</summary>
    public static string NotFound => $"CUDA's run-time compiler NVRTC was not found ({string.Join(", ", s_names)})";

    /// <summary>Whether it was found.</summary>
    public static bool IsFound => s_library.Value != 0;

    /// <summary>Its version; null where it was not found.</summary>
    public static Version? Version
    {
        get
        {
            int major, minor;
            return IsFound && ((delegate* unmanaged<int*, int*, int>)Export("nvrtcVersion"))(&major, &minor) == 0 ? new Version(major, minor) : null;
        }
    }

    /// <summary>Compiles a source to machine code.</summary>
    /// <param name="source">CUDA C++ that includes nothing.</param>
    /// <param name="name">The source's name in the compiler's messages.</param>
    /// <param name="options">The compiler's options.</param>
    /// <returns>A cubin.</returns>
    /// <exception cref="CudaException">NVRTC is missing, or the source was refused: the inner exception holds what the compiler printed.</exception>
    public static byte[] Compile(string source, string name, IReadOnlyList<string> options)
    {
        if (!IsFound)
        {
            throw new CudaException($"{NotFound}; put its folder into the library path");
        }

        nint program = 0;
        var arguments = options.Select(Marshal.StringToCoTaskMemUTF8).ToArray();
        try
        {
            fixed (byte* text = Encoding.UTF8.GetBytes(source + "\0"), title = Encoding.UTF8.GetBytes(name + "\0"))
            fixed (nint* argument = arguments)
            {
                Check(((delegate* unmanaged<nint*, byte*, byte*, int, nint, nint, int>)Export("nvrtcCreateProgram"))(&program, text, title, 0, 0, 0), "nvrtcCreateProgram");
                var result = ((delegate* unmanaged<nint, int, nint*, int>)Export("nvrtcCompileProgram"))(program, arguments.Length, argument);
                if (result != 0)
                {
                    throw new CudaException($"{name}: NVRTC {Version} refused to compile it with {string.Join(' ', options)}: {FirstError(Log(program), result)}", new CudaException(Log(program)));
                }
            }

            return Bytes(program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN");
        }
        finally
        {
            Array.ForEach(arguments, Marshal.FreeCoTaskMem);
            if (program != 0)
            {
                _ = ((delegate* unmanaged<nint*, int>)Export("nvrtcDestroyProgram"))(&program);
            }
        }
    }

    private static string Log(nint program) => Encoding.UTF8.GetString(Bytes(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog")).TrimEnd('\0', '\n');

    private static string FirstError(string log, int result) =>
        log.Split('\n').FirstOrDefault(line => line.Contains("error", StringComparison.OrdinalIgnoreCase))?.Trim() ?? ErrorText(result);

    private static byte[] Bytes(nint program, string sizeFunction, string function)
    {
        nuint size;
        Check(((delegate* unmanaged<nint, nuint*, int>)Export(sizeFunction))(program, &size), sizeFunction);
        var bytes = new byte[checked((int)size)];
        fixed (byte* to = bytes)
        {
            Check(((delegate* unmanaged<nint, byte*, int>)Export(function))(program, to), function);
        }

        return bytes;
    }

    private static void Check(int code, string call)
    {
        if (code != 0)
        {
            throw new CudaException($"{call}: {ErrorText(code)} ({code})");
        }
    }

    private static string ErrorText(int code) =>
        Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(((delegate* unmanaged<int, byte*>)Export("nvrtcGetErrorString"))(code)));

    private static nint Export(string function) => NativeLibrary.GetExport(s_library.Value, function);

    private static nint Find()
    {
        foreach (var file in Candidates())
        {
            if (NativeLibrary.TryLoad(file, out var library) && NativeLibrary.TryGetExport(library, "nvrtcCompileProgram", out _))
            {
                return library;
            }
        }

        return 0;
    }

    // By name where the system's loader finds it; else beside libtorch, in the wheels beside PyTorch, and in a toolkit.
    private static IEnumerable<string> Candidates()
    {
        foreach (var folder in Folders().Where(Directory.Exists))
        {
            var files = Directory.GetFiles(folder, OperatingSystem.IsWindows() ? "nvrtc*.dll" : "libnvrtc*.so*");
            // NVRTC looks for its built-in declarations by name: that they are loaded is enough for that.
            foreach (var file in files.Where(IsBuiltins))
            {
                NativeLibrary.TryLoad(file, out _);
            }

            foreach (var file in files.Where(file => !IsBuiltins(file)).OrderByDescending(file => file, StringComparer.Ordinal))
            {
                yield return file;
            }
        }

        foreach (var name in s_names)
        {
            yield return name;
        }
    }

    private static bool IsBuiltins(string file) => Path.GetFileName(file).Contains("builtins", StringComparison.Ordinal);

    private static IEnumerable<string> Folders()
    {
        if (LibTorchFolder() is { } libtorch)
        {
            yield return libtorch;
            var packages = Path.Combine(libtorch, "..", "..", "nvidia");
            foreach (var package in new[] { "cu13", "cuda_nvrtc" })
            {
                yield return Path.Combine(packages, package, "lib");
            }
        }

        foreach (var folder in LibTorch.NativeFolders())
        {
            yield return folder;
        }

        foreach (var toolkit in new[] { Environment.GetEnvironmentVariable("CUDA_HOME"), Environment.GetEnvironmentVariable("CUDA_PATH"), "/usr/local/cuda" })
        {
            if (!string.IsNullOrEmpty(toolkit))
            {
                yield return Path.Combine(toolkit, OperatingSystem.IsWindows() ? "bin" : "lib64");
            }
        }
    }

    private static string? LibTorchFolder()
    {
        try
        {
            return LibTorch.Load().Folder;
        }
        // Somebody else says so; the compiler may be found without it.
        catch (LibTorchException)
        {
            return null;
        }
    }
}
