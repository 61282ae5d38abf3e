namespace Moodle.Configuration;

/// <summary>The type that an encoder multiplies with.</summary>
public enum EncoderPrecision
{
    /// <summary>bfloat16 on a GPU, float32 on the CPU.</summary>
    Auto,

    /// <summary>float32.</summary>
    Full,

    /// <summary>Rounded to bfloat16, their products summed up in float32.</summary>
    BFloat16,
}
