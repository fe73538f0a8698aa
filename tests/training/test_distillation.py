"""A teacher's outputs: the same for all students, and what a student learns."""

from pathlib import Path

import pytest
import torch

from cnn_mnist.training import train
from cnn_mnist.training.data import NOT_A_DIGIT, Split, Splits
from cnn_mnist.training.distillation import Teacher
from cnn_mnist.training.evaluation import predict_logits
from cnn_mnist.training.loop import Run, fit, start, train_step
from cnn_mnist.training.models.networks import Net
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import checkpoint, run_folder, tensors
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.studies.study import study
from cnn_mnist.training.train import begin, finish, load_teacher, resume
from weights import same

NORM = (0.1307, 0.3081)


@pytest.fixture
def student(tiny: Recipe) -> Recipe:
    return tiny.changed(name="student", distil=0.9, num_views=2)


@pytest.fixture
def taught(tiny: Recipe, few_digits: Splits, tmp_path: Path) -> Path:
    """The folder of a finished run without a teacher of its own."""
    folder = tmp_path / "teacher"
    finish(begin(tiny, few_digits, folder, seed=7), few_digits, folder)
    return folder


# --- the views ---


def test_a_view_holds_the_teachers_logits_of_its_own_images(blank: Split, student: Recipe) -> None:
    net = Net()
    view = Teacher([(net, NORM)], blank, student).view(1)
    assert view.images.dtype == torch.uint8
    assert view.targets is not None
    assert torch.allclose(view.targets, predict_logits(net, view, NORM), atol=1e-5)
    assert torch.equal(view.labels, blank.labels)
    assert not torch.equal(view.images, blank.images)


def test_the_views_come_round_and_are_the_same_for_everybody(blank: Split, student: Recipe) -> None:
    net = Net()
    one, other = (Teacher([(net, NORM)], blank, student) for _ in range(2))
    assert one.view(3) is one.view(1)
    assert not torch.equal(one.view(1).images, one.view(2).images)
    torch.manual_seed(99)
    assert torch.equal(other.view(2).images, one.view(2).images)


def test_several_teachers_give_the_mean_of_their_logits(blank: Split, student: Recipe) -> None:
    models = [(Net(), NORM), (Net(), (0.2, 0.5))]
    single = [Teacher([model], blank, student).view(1).targets for model in models]
    both = Teacher(models, blank, student).view(1).targets
    assert single[0] is not None
    assert single[1] is not None
    assert both is not None
    torch.testing.assert_close(both, (single[0] + single[1]) / 2)


def test_the_teacher_also_answers_what_is_drawn(digits: Splits, student: Recipe) -> None:
    view = Teacher([(Net(), NORM)], digits.train, student.changed(drawn=20)).view(1)
    assert len(view) == len(digits.train) + 40
    assert int((view.labels == NOT_A_DIGIT).sum()) == 20
    assert view.targets is not None
    assert view.targets.shape == (len(view), 10)


# --- training ---


def test_a_student_learns_the_teachers_answers_where_the_labels_are_nonsense(
    digits: Splits, student: Recipe
) -> None:
    teacher = fit(student.changed(distil=0.0, epochs=4), digits, seed=1).model
    shuffled = torch.randint(0, 10, digits.train.labels.shape)
    misled = Splits("digits", Split(digits.train.images, shuffled), digits.test)
    recipe = student.changed(distil=1.0, epochs=4)
    lessons = Teacher([(teacher, NORM)], misled.train, recipe)
    run = fit(recipe, misled, seed=2, teacher=lessons)
    assert run.history[-1].test_accuracy > 0.7
    assert run.history[-1].train_accuracy < 0.2  # of the nonsense


def test_what_is_no_digit_is_known_better_than_by_the_teacher(
    few_digits: Splits, student: Recipe
) -> None:
    labels = few_digits.train.labels[:60].clone()
    labels[40:] = NOT_A_DIGIT
    targets = torch.randn(60, 10, generator=torch.Generator().manual_seed(3))
    other = targets.clone()
    other[40:] = 9 * torch.eye(10)[0]
    nets = []
    for answers in (targets, other):
        run = start(student.changed(drawn=1))
        batch = Split(few_digits.train.images[:60], labels, targets=answers)
        train_step(run, batch, torch.Generator(), 1 / 60)
        nets.append(run.net)
    assert same(*nets)


def test_a_recipe_with_a_teacher_is_not_trained_without(
    student: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"^the recipe student needs a teacher, but none"):
        fit(student, few_digits)
    with pytest.raises(
        RunError, match=r"train one with: .*, then pass it with --teacher runs/teacher$"
    ):
        begin(student, few_digits, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_teacher_that_is_not_wanted_is_refused(
    tiny: Recipe, few_digits: Splits, taught: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"uses no teacher; omit --teacher$"):
        begin(tiny, few_digits, tmp_path / "run", teacher=taught)


def test_a_teacher_that_has_seen_what_is_held_out_is_refused(
    student: Recipe, few_digits: Splits, taught: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"on 300 images, but .* on 200; .*--split val$"):
        begin(student, few_digits.hold_out(100), tmp_path / "run", teacher=taught)
    elsewhere = Splits("mnist", few_digits.train, few_digits.test)
    with pytest.raises(RunError, match=r"other data \(digits\) than this run \(mnist\); give"):
        begin(student, elsewhere, tmp_path / "run", teacher=taught)


def test_a_taught_run_resumes_exactly(
    student: Recipe, few_digits: Splits, taught: Path, tmp_path: Path
) -> None:
    recipe, straight, parts = student.changed(epochs=3), tmp_path / "straight", tmp_path / "parts"
    whole = begin(recipe, few_digits, straight, seed=5, teacher=taught)
    finish(whole, few_digits, straight)

    def stop(_: Run) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(begin(recipe, few_digits, parts, 5, teacher=taught), few_digits, parts, stop)
    again = resume(parts)
    assert len(again.history) == 1
    finish(again, few_digits, parts)
    assert same(again.net, whole.net)


def test_a_folder_of_runs_teaches_together(
    student: Recipe, tiny: Recipe, few_digits: Splits, taught: Path, tmp_path: Path
) -> None:
    several = tmp_path / "several"
    several.mkdir()
    taught.rename(several / "a")
    finish(begin(tiny, few_digits, several / "b", seed=8), few_digits, several / "b")
    together = load_teacher(several, student, few_digits).view(1).targets
    each = [load_teacher(several / name, student, few_digits).view(1).targets for name in "ab"]
    assert together is not None
    assert each[0] is not None
    assert each[1] is not None
    torch.testing.assert_close(together, (each[0] + each[1]) / 2)

    run = begin(student, few_digits, tmp_path / "run", teacher=several)
    run_folder.write(several / "b/model.safetensors", tensors.pack(dict(Net().state_dict())))
    with pytest.raises(RunError, match=r"several has changed since .*run started with it"):
        finish(run, few_digits, tmp_path / "run")


def test_teachers_answer_in_bfloat16_only_if_all_recipes_allow_it(
    student: Recipe,
    tiny: Recipe,
    few_digits: Splits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allowed = {True: torch.bfloat16, False: torch.float32}
    monkeypatch.setattr(train, "precision", lambda _, recipe: allowed[recipe.mixed_precision])
    answers = []
    for order in ("ab", "ba"):
        for name, mixed in zip(order, (False, True), strict=True):
            folder, recipe = tmp_path / order / name, tiny.changed(epochs=1, mixed_precision=mixed)
            finish(begin(recipe, few_digits, folder, seed=mixed), few_digits, folder)
        answers.append(load_teacher(tmp_path / order, student, few_digits).view(1).targets)
    assert answers[0] is not None
    assert answers[1] is not None
    assert torch.equal(answers[0], answers[1])


def test_a_run_does_not_resume_with_another_teacher(
    student: Recipe, few_digits: Splits, taught: Path, tmp_path: Path
) -> None:
    run = begin(student, few_digits, tmp_path / "run", teacher=taught)
    weights = taught / "model.safetensors"
    run_folder.write(weights, tensors.pack(dict(Net().state_dict())))
    with pytest.raises(RunError, match=r"teacher has changed since .*run started with it"):
        finish(run, few_digits, tmp_path / "run")
    weights.unlink()
    with pytest.raises(RunError, match=r"there is no model.safetensors$"):
        finish(run, few_digits, tmp_path / "run")


def test_a_study_asks_the_teacher_once_and_gets_what_single_runs_get(
    student: Recipe,
    few_digits: Splits,
    taught: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    answer = Teacher._answer

    def counted(teacher: Teacher, index: int) -> Split:
        asked.append(index)
        return answer(teacher, index)

    monkeypatch.setattr(Teacher, "_answer", counted)
    study(student, few_digits, [0, 1], tmp_path / "study", teacher=taught)
    assert asked == [0, 1]
    alone = begin(student, few_digits, tmp_path / "alone", seed=1, teacher=taught)
    finish(alone, few_digits, tmp_path / "alone")
    assert same(checkpoint.load_model(tmp_path / "study" / "seed-1"), alone.model)
