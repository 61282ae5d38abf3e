using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace Moodle.Runtime.Cuda;

/// <summary>Compiled kernels on one device, kept as long as the program runs.</summary>
internal sealed unsafe class CudaModule
{
    private const int MaximalSharedMemory = 8; // attribute of a function
    private const int PlainSharedMemory = 48 << 10;
    private readonly CudaDevice _device;
    private readonly nint _module;
    private readonly ConcurrentDictionary<(string Name, int Shared), nint> _functions = new();

    private CudaModule(CudaDevice device, nint module) => (_device, _module) = (device, module);

    /// <summary>
    /// Compiles a source for a device, or takes what an earlier run compiled: machine code is kept in the user's cache folder, by the hash of source, options and
    /// compiler.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="name">The source's name in messages.</param>
    /// <param name="source">CUDA C++ that includes nothing.</param>
    /// <param name="architecture">The target, such as <c>sm_90</c>.</param>
    /// <param name="options">Other options of the compiler.</param>
    /// <exception cref="CudaException">It cannot be compiled or loaded; the message says why.</exception>
    public static CudaModule Load(CudaDevice device, string name, string source, string architecture, IEnumerable<string> options)
    {
        string[] all = [$"--gpu-architecture={architecture}", "--std=c++17", "-default-device", .. options];
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{CudaCompiler.Version}\n{string.Join('\n', all)}\n{source}")))[..40];
        var path = UserCache.OwnFolder("kernels") is { } folder ? Path.Combine(folder, key + ".cubin") : null;
        if (path is not null && File.Exists(path))
        {
            try
            {
                return new CudaModule(device, Load(device, File.ReadAllBytes(path)));
            }
            // Made again below.
            catch (Exception exception) when (exception is CudaException or IOException or UnauthorizedAccessException)
            {
            }
        }

        var cubin = CudaCompiler.Compile(source, name, all);
        if (path is not null)
        {
            try
            {
                AtomicFile.Write(path, stream => stream.Write(cubin));
            }
            // The kernels work without it.
            catch (InputException)
            {
            }
        }

        return new CudaModule(device, Load(device, cubin));
    }

    /// <summary>Launches a kernel on libtorch's stream and returns at once.</summary>
    /// <param name="function">The kernel.</param>
    /// <param name="blocks">Blocks of threads along the grid's x and y.</param>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="shared">Bytes of shared memory that the launch chooses.</param>
    /// <param name="last">The kernel's last argument.</param>
    /// <param name="arguments">Those before: addresses and ints.</param>
    /// <typeparam name="TLast">A structure as the kernel declares it.</typeparam>
    /// <exception cref="CudaException">The launch was refused.</exception>
    public void Launch<TLast>(string function, (long X, int Y) blocks, int threads, int shared, TLast last, params ReadOnlySpan<nint> arguments)
        where TLast : unmanaged
    {
        CudaDriver.Enter(_device);
        try
        {
            var kernel = Function(function, shared);
            var launch = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)CudaDriver.Export("cuLaunchKernel");
            fixed (nint* values = arguments)
            {
                var pointers = stackalloc void*[arguments.Length + 1];
                for (var i = 0; i < arguments.Length; i++)
                {
                    pointers[i] = values + i; // an int is the lower half
                }

                pointers[arguments.Length] = &last;
                CudaDriver.Check(launch(kernel, checked((uint)blocks.X), (uint)blocks.Y, 1, (uint)threads, 1, 1, (uint)shared, 0, pointers, null), function);
            }
        }
        finally
        {
            CudaDriver.Leave();
        }
    }

    private nint Function(string name, int shared) => _functions.GetOrAdd((name, shared), key =>
    {
        nint function;
        fixed (byte* text = Encoding.UTF8.GetBytes(key.Name + "\0"))
        {
            CudaDriver.Check(((delegate* unmanaged<nint*, nint, byte*, int>)CudaDriver.Export("cuModuleGetFunction"))(&function, _module, text), $"cuModuleGetFunction {key.Name}");
        }

        if (key.Shared > PlainSharedMemory)
        {
            // All that there is: the function's next launch may ask for more or less.
            CudaDriver.Check(
                ((delegate* unmanaged<nint, int, int, int>)CudaDriver.Export("cuFuncSetAttribute"))(function, MaximalSharedMemory, Math.Max(key.Shared, _device.SharedMemory)),
                $"{key.Name}: {key.Shared} bytes of shared memory (the device has {_device.SharedMemory})");
        }

        return function;
    });

    private static nint Load(CudaDevice device, byte[] cubin)
    {
        CudaDriver.Enter(device);
        try
        {
            nint module;
            fixed (byte* image = cubin)
            {
                CudaDriver.Check(((delegate* unmanaged<nint*, byte*, int>)CudaDriver.Export("cuModuleLoadData"))(&module, image), "cuModuleLoadData");
            }

            return module;
        }
        finally
        {
            CudaDriver.Leave();
        }
    }
}
