"""The variants: name -> (module, class, one line for people).

This file imports nothing but the standard library, so that programs can list the variants without
waiting for Keras. Adding a variant is one line here.
"""

MODELS = {
    "dcgan": (
        "zoo.models.dcgan",
        "DCGAN",
        "deep convolutional GAN for images of 28 to 128 pixels (Radford et al. 2015)",
    ),
}
