using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Moodle.Tests.Support;

/// <summary>
/// A <see cref="TestMethodAttribute"/> whose test also fails when tensors are left that nobody disposed, whether or not the
/// garbage collector would find them: a training loop runs out of memory long before it does. Works with <c>[DataRow]</c>.
/// Tensors that a type keeps for good must be made before the test, in a class initializer say.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NoTensorLeakAttribute(
    [CallerFilePath] string file = "", [CallerLineNumber] int line = -1) : TestMethodAttribute(file, line)
{
    public override async Task<TestResult[]> ExecuteAsync(ITestMethod testMethod)
    {
        // What earlier tests left to the finalizer must not be subtracted from what this one leaves.
        Collect();
        var before = Tensor.TotalCount;
        var results = await base.ExecuteAsync(testMethod).ConfigureAwait(false);
        var left = Tensor.TotalCount - before;
        if (left <= 0)
        {
            return results;
        }
        Collect();
        var referenced = Math.Max(0, Tensor.TotalCount - before);
        foreach (var result in results.Where(result => result.Outcome == UnitTestOutcome.Passed))
        {
            result.Outcome = UnitTestOutcome.Failed;
            result.TestFailureException = new AssertFailedException(
                $"{left} tensors were not disposed; {referenced} of them are still referenced.");
        }
        return results;
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
