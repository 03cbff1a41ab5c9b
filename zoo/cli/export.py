"""Exports the generator of a run to files that load without this project.

  python export.py --run=mnist5 --format=keras,onnx
  python export.py --run=pets --format=h5 --discriminator
  python export.py --run=mnist5 --format=tflite_int8,serving
  python export.py --run=mnist5 --format=web

Every file is loaded in a fresh process and compared with the original before it replaces an older
one. The output is Python code that loads the files; for int8 it says how much the samples differ.
"""

import os

from absl import flags

from zoo.cli import programs
from zoo.progress import say

programs.define_source_flags()
flags.adopt_module_key_flags(programs)
FORMAT = flags.DEFINE_list(
    "format",
    ["keras"],
    "Any of keras, h5, savedmodel, serving (a SavedModel in a numbered folder, for TensorFlow "
    "Serving), onnx, web (a page that draws in the browser), tflite, and onnx_int8 and tflite_int8 "
    "with weights of 8 bits.",
)
OUT = programs.DEFINE_path("out", None, "Folder to write to; by default RUN/export, or exports/.")
DISCRIMINATOR = flags.DEFINE_bool(
    "discriminator", False, "Export the discriminator of the newest checkpoint too."
)
WEB_RUNTIME = programs.DEFINE_path(
    "web_runtime",
    None,
    "The folder dist of onnxruntime-web for --format=web; by default fetched by npm, once.",
)


def run():
    FLAGS = flags.FLAGS
    if DISCRIMINATOR.value:
        # It is built here, and the memory of a GPU belongs to the training.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    source = programs.source()
    programs.choose_backend(FLAGS.backend, programs.recorded_backend(source))
    with programs.quietly():
        from zoo.outputs.export import export

    paths = export(
        source,
        FORMAT.value,
        OUT.value,
        say=say,
        discriminator=DISCRIMINATOR.value,
        web_runtime=WEB_RUNTIME.value,
    )
    if FLAGS.quiet:
        print(*paths, sep="\n")


def start():
    """Runs the program and exits the process."""
    programs.main(run)
