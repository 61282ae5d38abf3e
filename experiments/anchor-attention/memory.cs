// Peak memory of AnchorAttention, forward and backward, in a process of its own: 8 heads of 64, float32.
//
//   dotnet run experiments/anchor-attention/memory.cs -- [tokens] [theta]
//
// Theta inf selects every key: no input needs more.

#:project ../../Moodle/Moodle.csproj

using System.Globalization;
using Moodle.Attention;
using Moodle.Runtime;
using static TorchSharp.torch;

var tokens = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 32768;
var theta = args.Length > 1 && args[1] != "inf" ? double.Parse(args[1], CultureInfo.InvariantCulture) : double.PositiveInfinity;
Devices.SetThreads(0);
var inputs = Enumerable.Range(0, 3).Select(_ => randn(1, 8, tokens, 64, requires_grad: true)).ToArray();
var before = Peak();
var attention = new AnchorAttention(new() { Theta = theta, Implementation = AttentionImplementation.Cpu });
attention.Attend(inputs[0], inputs[1], inputs[2]).sum().backward();
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{tokens} tokens, theta {theta}: peak {Peak():F2} GiB in all, {before:F2} GiB of it before: libtorch, q, k and v"));

static double Peak() => long.Parse(
    File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
    CultureInfo.InvariantCulture) / 1048576.0;
