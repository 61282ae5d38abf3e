using Moodle.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>
/// Attention of rows to some of their keys, with the logarithm of the softmax's normaliser, so that parts can be joined. On the CPU by libtorch's
/// flash kernel, which keeps its logits in the cache; elsewhere by plain operations. Nothing here is recorded by autograd.
/// </summary>
internal static class PartialAttention
{
    private static readonly TorchScript s_flash = new("""
        def forward(q, k, v, causal: bool):
            output, log_sum = torch._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal)
            return [output, log_sum]

        def backward(grad, q, k, v, output, log_sum, causal: bool):
            dq, dk, dv = torch._scaled_dot_product_flash_attention_for_cpu_backward(grad, q, k, v, output, log_sum, 0.0, causal)
            return [dq, dk, dv]
        """);

    /// <summary>The type that sums and normalisers are kept in.</summary>
    public static ScalarType SumType(ScalarType type) => type == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    /// <summary>softmax(q kᵀ / √d) v.</summary>
    /// <param name="q">[batch, heads, rows, d].</param>
    /// <param name="k">[batch, heads, keys, d].</param>
    /// <param name="v">[batch, heads, keys, d].</param>
    /// <param name="causal">Row i attends to keys 0 to i.</param>
    /// <returns>[batch, heads, rows, d] and the logarithm of the normaliser, [batch, heads, rows].</returns>
    public static (Tensor Output, Tensor LogSum) Forward(Tensor q, Tensor k, Tensor v, bool causal = false)
    {
        if (q.device_type == DeviceType.CPU)
        {
            var parts = (Tensor[])s_flash.Invoke("forward", q, k, v, causal)!;
            return (parts[0], parts[1]);
        }

        var logits = Logits(q, k, causal); // [batch, heads, rows, keys]
        var logSum = logits.logsumexp(-1);
        return (logits.sub_(logSum.unsqueeze(-1)).exp_().to(v.dtype).matmul(v), logSum);
    }

    /// <summary>
    /// The share of these keys in the gradients, where output and normaliser are those over all keys that the rows attended to: the
    /// probabilities come from the normaliser.
    /// </summary>
    /// <returns>Gradients of q, k and v, in the shapes of these.</returns>
    public static (Tensor Q, Tensor K, Tensor V) Backward(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor output, Tensor logSum, bool causal = false)
    {
        if (q.device_type == DeviceType.CPU)
        {
            var parts = (Tensor[])s_flash.Invoke("backward", grad, q, k, v, output, logSum, causal)!;
            return (parts[0], parts[1], parts[2]);
        }

        var scale = 1 / Math.Sqrt(q.shape[^1]);
        var p = Logits(q, k, causal).sub_(logSum.unsqueeze(-1)).exp_();
        var mean = (grad.to(p.dtype) * output.to(p.dtype)).sum(-1, keepdim: true); // Σ_j p_j dp_j
        var ds = grad.matmul(v.transpose(-2, -1)).to(p.dtype).sub_(mean).mul_(p).mul_(scale).to(q.dtype);
        return (ds.matmul(k), ds.transpose(-2, -1).matmul(q), p.to(q.dtype).transpose(-2, -1).matmul(grad));
    }

    private static Tensor Logits(Tensor q, Tensor k, bool causal)
    {
        var logits = q.matmul(k.transpose(-2, -1)).to(SumType(q.dtype)).mul_(1 / Math.Sqrt(q.shape[^1]));
        return causal ? logits.masked_fill_(Later((int)q.shape[^2], q.device), double.NegativeInfinity) : logits;
    }

    /// <summary>[rows, rows], true where the key comes after the row.</summary>
    public static Tensor Later(int rows, Device device) => ones(rows, rows, dtype: ScalarType.Bool, device: device).triu(1);
}
