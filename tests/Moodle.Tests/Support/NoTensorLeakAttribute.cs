using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Tests.Support;

/// <summary>
/// A <see cref="TestMethodAttribute"/> whose test also fails when it leaves tensors that nobody disposed, whether or not the
/// garbage collector would find them: a training loop runs out of memory long before it does. Works with <c>[DataRow]</c>;
/// not for tests that await. Tensors that a type keeps for good must be made before the test, in a class initializer say.
/// </summary>
/// <remarks>
/// Counts what the test's thread makes and disposes. <see cref="AllThreads"/> counts those of all threads instead (custom autograd on
/// a GPU has its own), but TorchSharp then counts one too many for every <c>new Parameter(tensor)</c>.
/// </remarks>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NoTensorLeakAttribute(
    [CallerFilePath] string file = "", [CallerLineNumber] int line = -1) : TestMethodAttribute(file, line)
{
    /// <summary>Counts the tensors of all threads.</summary>
    public bool AllThreads { get; set; }

    public override async Task<TestResult[]> ExecuteAsync(ITestMethod testMethod)
    {
        if (AllThreads)
        {
            // What earlier tests left to the finalizer must not be subtracted from what this one leaves.
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        var before = Count();
        var thread = Environment.CurrentManagedThreadId;
        var results = await base.ExecuteAsync(testMethod).ConfigureAwait(false);
        var problem = Environment.CurrentManagedThreadId != thread
            ? "the test changed threads: its tensors cannot be counted"
            : Count() - before is var left and > 0 ? $"{left} tensors were not disposed" : null;
        foreach (var result in results.Where(result => problem is not null && result.Outcome == UnitTestOutcome.Passed))
        {
            result.Outcome = UnitTestOutcome.Failed;
            result.TestFailureException = new AssertFailedException(problem!);
        }
        return results;
    }

    private long Count() => AllThreads ? Tensor.TotalCount : DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
}
