using System.Runtime.InteropServices;

namespace Moodle.Cli;

/// <summary>Turns the first Ctrl-C (and SIGTERM) into a cancellation, so that work is saved; a second one ends the process at once.</summary>
internal sealed class Interrupt : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    /// <summary>Listens until disposed.</summary>
    /// <param name="console">Tells the user what happens.</param>
    /// <param name="announcement">What is said at the first signal.</param>
    public Interrupt(ProgressConsole console, string announcement)
    {
        void Handle(PosixSignalContext context)
        {
            if (!_source.IsCancellationRequested)
            {
                context.Cancel = true;
                console.Message(announcement);
                _source.Cancel();
            }
        }

        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle)];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        Array.ForEach(_registrations, registration => registration.Dispose());
        _source.Dispose();
    }
}
