"""Draws samples with the generator of a run, fills holes with it, or translates pictures.

python generate.py --run=mnist5 --count=64
python generate.py --run=mnist5 --seeds=0-3,7 --format=png
python generate.py --run=mnist5 --seeds=1,2,3 --walk
python generate.py --run=mnist5 --input=my/digit.png --mask=my/mask.png
python generate.py --run=faces --input=my/photo.jpg --mask=my/mask.png
python generate.py --run=maps --input=my/pictures --out=translated
python generate.py --run=horses --direction=b_to_a --format=grid
"""

from absl import flags

from zoo.cli import programs
from zoo.errors import UsageError

programs.define_source_flags()
flags.adopt_module_key_flags(programs)
COUNT = flags.DEFINE_integer(
    "count",
    16,
    "How many samples to draw from --seed; pictures to translate at most, by default all; answers "
    "of a search for a picture with a hole, by default 8.",
    lower_bound=1,
)
SEED = flags.DEFINE_integer("seed", 0, "Seed of the --count samples or answers.", lower_bound=0)
SEEDS = flags.DEFINE_string(
    "seeds",
    None,
    "One sample for each of these seeds, such as 0-63 or 0-3,7,9, instead of --count and --seed.",
)
CLASS = flags.DEFINE_string(
    "class", None, "Class by name or index; several with commas take turns. By default all do."
)
FORMAT = flags.DEFINE_enum(
    "format",
    None,
    ["png", "grid", "npz"],
    "png: a file per sample; grid: one picture; npz: arrays `images` (or `samples`, if they are "
    "not pictures), `labels`, `seeds` and `indices`. By default grid, and png for translated "
    "pictures, which have no npz.",
)
INPUT = programs.DEFINE_path(
    "input",
    None,
    "A picture or a folder of pictures: with holes, for a run that fills them or draws from noise; "
    "to translate, of any size, for a run of pictures to pictures, by default its own test split.",
)
MASK = programs.DEFINE_path(
    "mask",
    None,
    "White where --input is to be filled in: a picture of its size, or a folder of such, by name. "
    "By default the hole is where the picture is transparent.",
)
RESIZE = flags.DEFINE_enum(
    "resize",
    None,
    ["crop", "pad", "stretch"],
    "How pictures of --input, and masks, of another size than the run's are brought to it; without "
    "it a run of pictures to pictures, or one that has learnt to fill holes, takes them as they "
    "are.",
)
STEPS = flags.DEFINE_integer("steps", 400, "Most steps of the search that fills a hole.", 1)
DIRECTION = flags.DEFINE_enum(
    "direction",
    None,
    ["a_to_b", "b_to_a"],
    "Direction of a run that has learnt both; by default a_to_b.",
)
OUT = programs.DEFINE_path(
    "out",
    None,
    "File or folder to write to; by default a folder RUN/generated, or generated/, and "
    "RUN/translated or translated/ for translated pictures, RUN/inpainted or inpainted/ for filled "
    "ones.",
)
WALK = flags.DEFINE_bool(
    "walk", False, "A GIF along a spherical path from seed to seed and back to the first."
)
FRAMES = flags.DEFINE_integer("frames", 12, "Frames of --walk from one seed to the next.", 1)
TRUNCATION = flags.DEFINE_float(
    "truncation", 1.0, "Below 1 samples are more typical and more alike: their noise times this."
)
MOVE = flags.DEFINE_string(
    "move",
    None,
    "Such as 1:2.5,3:-1: how far samples go along the directions that change them most, numbered "
    "from 1, in standard deviations of the noise.",
)
MIX = flags.DEFINE_string(
    "mix", None, "Such as 7:0.5: how far samples go along the path to that of another seed."
)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace existing files.")


EDITS = TRUNCATION, MOVE, MIX
NOISE = SEED, SEEDS, CLASS, WALK, FRAMES, *EDITS
HOLES = MASK, STEPS
BUT = ", and this network draws samples of noise"


def run():
    FLAGS = flags.FLAGS
    if SEEDS.present and (COUNT.present or SEED.present):
        raise UsageError(
            "Expected either --seeds, or --seed and --count. Received: --seeds together with "
            f"--{'count' if COUNT.present else 'seed'}."
        )
    if WALK.value and FORMAT.present:
        raise UsageError(
            f"--walk writes a GIF. Leave out one of --walk and --format={FORMAT.value}."
        )
    source = programs.source()
    programs.choose_backend(FLAGS.backend, programs.recorded_backend(source))
    with programs.quietly():
        from zoo import seeds
        from zoo.outputs import generate, inpaint, translate

    if translate.translates(source):
        _refuse(NOISE, "samples of noise, and this network translates pictures")
        _refuse(HOLES, "pictures with holes, and this network translates whole ones")
        if FORMAT.value == "npz":
            raise UsageError(
                "Pictures that are translated may differ in size, so no array holds them. Expected "
                "--format=png or --format=grid. Received: --format=npz."
            )
        paths = translate.translate(
            source,
            direction=DIRECTION.value,
            inputs=INPUT.value,
            format=FORMAT.value or "png",
            count=COUNT.value if COUNT.present else None,
            out=OUT.value,
            overwrite=OVERWRITE.value,
            resize=RESIZE.value,
        )
    elif INPUT.present:
        if inpaint.fills(source):
            _refuse((SEED, STEPS), "a search, and this network fills a hole without one")
        _refuse((DIRECTION,), f"pictures that are translated{BUT}")
        _refuse((SEEDS, WALK, FRAMES, FORMAT, *EDITS), "samples of noise alone, without --input")
        paths = inpaint.inpaint(
            source,
            inputs=INPUT.value,
            mask=MASK.value,
            count=COUNT.value if COUNT.present else None,
            seed=SEED.value,
            classes=CLASS.value,
            resize=RESIZE.value,
            steps=STEPS.value,
            out=OUT.value,
            overwrite=OVERWRITE.value,
        )
    else:
        _refuse((DIRECTION,), f"pictures that are translated{BUT}")
        if MASK.present:
            raise UsageError(
                "--mask says where a picture is to be filled in, and there is no picture. Expected "
                f"--input=PATH of it, too. Received: --mask={MASK.value}."
            )
        _refuse((*HOLES, RESIZE), "pictures that --input names")
        paths = generate.generate(
            source,
            count=COUNT.value,
            seed=SEED.value if SEEDS.value is None else seeds.parse(SEEDS.value),
            classes=CLASS.value,
            format="walk" if WALK.value else FORMAT.value or "grid",
            frames=FRAMES.value,
            out=OUT.value,
            overwrite=OVERWRITE.value,
            truncation=TRUNCATION.value,
            move=MOVE.value,
            mix=MIX.value,
        )
    print(paths[0] if len(paths) == 1 else f"{len(paths)} files, the first is {paths[0]}")


def _refuse(holders, why):
    given = [f"--{holder.name}" for holder in holders if holder.present]
    if given:
        verb, them = ("is", "it") if len(given) == 1 else ("are", "them")
        raise UsageError(f"{' and '.join(given)} {verb} for {why}. Leave {them} out.")


def start():
    """Runs the program and exits the process."""
    programs.main(run)
