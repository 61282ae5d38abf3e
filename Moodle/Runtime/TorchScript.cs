using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// A compiled TorchScript text, for operators that TorchSharp does not bind. A text that does not compile ends the process:
/// every one needs a test that runs it.
/// </summary>
internal sealed class TorchScript
{
    private readonly Lazy<jit.CompilationUnit> _unit;

    /// <summary>Keeps the text; it is compiled at the first call, so that it may stand in a static field.</summary>
    public TorchScript(string text) => _unit = new Lazy<jit.CompilationUnit>(() =>
    {
        LibTorch.Load();
        return jit.compile(text + "\n");
    });

    /// <summary>Calls a function of the text.</summary>
    /// <param name="function">Its name.</param>
    /// <param name="arguments">Tensors, arrays of tensors, doubles, longs, ints and bools.</param>
    /// <returns>A tensor, an array of tensors or null, as the function returns it.</returns>
    public object? Invoke(string function, params ReadOnlySpan<object> arguments)
    {
        var passed = arguments.ToArray();
        for (var i = 0; i < passed.Length; i++)
        {
            // TorchSharp would wrap a number in an object that nobody holds and pass that object's handle on: the garbage
            // collector could free it during the call.
            passed[i] = passed[i] switch
            {
                double number => number.ToScalar(),
                long number => number.ToScalar(),
                var other => other,
            };
        }
        try
        {
            return _unit.Value.invoke(function, passed);
        }
        finally
        {
            foreach (var scalar in passed.OfType<Scalar>())
            {
                scalar.Dispose();
            }
            GC.KeepAlive(passed);
        }
    }
}
