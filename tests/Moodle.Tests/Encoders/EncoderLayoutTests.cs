using Moodle.Configuration;
using Moodle.Encoders;
using Moodle.Tests.Models;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders;

[TestClass]
public sealed class EncoderLayoutTests
{
    [TestMethod]
    public void TheEncodersTensors_AreThoseApproved()
    {
        using var scope = NewDisposeScope();
        Layout.IsApproved(string.Join('\n',
            Layout.Of("text encoder, hidden 8, 2 layers, 8 pieces", TextEncoderTests.Create()),
            Layout.Of("convolutional network, hidden 16, 16 pixels", ImageEncoderTests.Create(ImageEncoderKind.Cnn)),
            Layout.Of("vision transformer, hidden 16, 16 pixels in patches of 8", ImageEncoderTests.Create(ImageEncoderKind.Vit)),
            Layout.Of("text encoder in training, 7 entities, 2 relations", new BiEncoder<TextEncoder>(TextEncoderTests.Create(), 7, 2, 0.05))), "Encoders");
    }
}
