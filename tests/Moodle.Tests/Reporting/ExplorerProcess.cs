using Moodle.Reporting;
using Moodle.Training;

namespace Moodle.Tests.Reporting;

/// <summary>The explorer of a run, served from this process.</summary>
internal sealed class ExplorerProcess : IDisposable
{
    private readonly TrainedModel _model;
    private readonly ExplorerServer _server;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _work;

    public ExplorerProcess(ReportRun run) : this(run.Folder) => Run = run;

    public ExplorerProcess(string folder)
    {
        _model = TrainedModel.Load(folder);
        Explorer = new Explorer(folder, _model);
        _server = new ExplorerServer(Explorer, port: 0);
        Client = new HttpClient { BaseAddress = new Uri(_server.Address) };
        _work = _server.RunAsync(_stop.Token);
    }

    /// <summary>The run, where it is one of the tests.</summary>
    public ReportRun Run { get; } = null!;

    public Explorer Explorer { get; }

    public int Port => _server.Port;

    public HttpClient Client { get; }

    public Uri Address => Client.BaseAddress!;

    public void Dispose()
    {
        _stop.Cancel();
        Assert.IsTrue(_work.Wait(TimeSpan.FromSeconds(10)), "it does not stop");
        Client.Dispose();
        _server.Dispose();
        _model.Dispose();
        _stop.Dispose();
        Run?.Dispose();
    }
}
