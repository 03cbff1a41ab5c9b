"""The variants: name -> (module, class, one line for people).

This file imports nothing but the standard library, so that programs can list the variants without
waiting for Keras. Adding a variant is one line here.
"""

MODELS = {
    "vanilla": (
        "zoo.models.vanilla",
        "VanillaGAN",
        "the first GAN: fully connected, for small images (Goodfellow et al. 2014)",
    ),
    "gaussian": (
        "zoo.models.gaussian",
        "GaussianGAN",
        "learns a density on the line or in the plane: gaussian, ring8, grid25",
    ),
    "sine": (
        "zoo.models.sine",
        "SineGAN",
        "draws sine signals of ten points (after Hany and Walters 2019)",
    ),
    "conditional": (
        "zoo.models.conditional",
        "ConditionalGAN",
        "draws the class it is asked for (Mirza and Osindero 2014; Miyato and Koyama 2018)",
    ),
    "cats_and_dogs": (
        "zoo.models.cats_and_dogs",
        "CatsAndDogsGAN",
        "256x256 photographs from a few thousand examples (after Liu et al. and Sauer et al. 2021)",
    ),
    "pix2pix": (
        "zoo.models.pix2pix",
        "Pix2Pix",
        "turns pictures into others, learnt from pairs (Isola et al. 2017)",
    ),
    "pix2pixhd": (
        "zoo.models.pix2pixhd",
        "Pix2PixHD",
        "turns label maps or pictures into large pictures, learnt from pairs (Wang et al. 2018)",
    ),
    "cyclegan": (
        "zoo.models.cyclegan",
        "CycleGAN",
        "turns pictures of one kind into another and back, without pairs (Zhu et al. 2017)",
    ),
    "discogan": (
        "zoo.models.discogan",
        "DiscoGAN",
        "finds what two kinds of small pictures have in common, without pairs (Kim et al. 2017)",
    ),
    "srgan": (
        "zoo.models.srgan",
        "SRGAN",
        "makes pictures 2 or 4 times larger, with sharp detail (Ledig et al. 2017)",
    ),
    "inpainting": (
        "zoo.models.inpainting",
        "Inpainting",
        "fills holes of any form in pictures (Yu et al. 2019)",
    ),
    "r3gan": (
        "zoo.models.r3gan",
        "R3GAN",
        "a modern baseline without tricks, of residual networks (Huang et al. 2024)",
    ),
    "dcgan": (
        "zoo.models.dcgan",
        "DCGAN",
        "deep convolutional GAN for images of any size from 9 pixels (Radford et al. 2015)",
    ),
}
