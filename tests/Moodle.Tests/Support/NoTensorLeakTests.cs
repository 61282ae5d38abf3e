using static TorchSharp.torch;

namespace Moodle.Tests.Support;

[TestClass]
public sealed class NoTensorLeakTests
{
    [NoTensorLeak]
    [DataRow(1)]
    [DataRow(3)]
    public void DisposedTensors_Pass(int count)
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < count; i++)
        {
            zeros(2).add(1);
        }
    }

    [TestMethod]
    public async Task LeftTensor_Fails()
    {
        var results = await new NoTensorLeakAttribute().ExecuteAsync(new LeakingTest());
        Assert.AreEqual(UnitTestOutcome.Failed, results.Single().Outcome);
        Assert.Contains("1 tensors were not disposed", results.Single().TestFailureException!.Message);
    }

    private sealed class LeakingTest : ITestMethod
    {
        public string TestMethodName => nameof(LeakingTest);
        public string TestClassName => nameof(NoTensorLeakTests);
        public Type ReturnType => typeof(void);
        public object?[]? Arguments => null;
        public System.Reflection.ParameterInfo[] ParameterTypes => [];
        public System.Reflection.MethodInfo MethodInfo => throw new NotSupportedException();
        public Attribute[]? GetAllAttributes() => null;
        public TAttribute[] GetAttributes<TAttribute>() where TAttribute : Attribute => [];

        public Task<TestResult> InvokeAsync(object?[]? arguments)
        {
            zeros(1);
            return Task.FromResult(new TestResult { Outcome = UnitTestOutcome.Passed });
        }
    }
}
