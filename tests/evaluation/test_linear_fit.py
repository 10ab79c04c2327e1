"""The linear model: its embeddings stand for predicted tags, and training videos are embedded by models of others."""

import numpy as np
import pytest

from vsim_tf.errors import UserError
from vsim_tf.evaluation import linear_fit
from vsim_tf.evaluation.linear_baseline import TagRidge
from vsim_tf.evaluation.linear_fit import cross_fitted, fit_linear
from vsim_tf.evaluation.raw_videos import RawVideos
from vsim_tf.inference.cosine import cosine_similarity, l2_normalize

TAGS = np.arange(10, 17)
WORDS = "猫狗鱼鸟马牛羊"
DIM = 4


def videos(count=40, seed=3, **changes) -> RawVideos:
    """Videos of two subjects, which title and frames show."""
    rng = np.random.default_rng(seed)
    subjects = [sorted(rng.choice(len(TAGS), 2, replace=False).tolist()) for _ in range(count)]
    titles = ["".join(WORDS[subject] for subject in video) for video in subjects]
    means = rng.normal(size=(count, DIM)) + np.array([[video[0], video[1], 0, 1] for video in subjects])
    made = RawVideos([f"v{row}" for row in range(count)], titles, means.astype(np.float32), TAGS[np.array(subjects)].tolist())
    return made._replace(**changes)


def predicted(training, test):
    ridge = TagRidge(training, TAGS, linear_fit.ALPHA)
    return ridge.predict(*ridge.features(test))


def cosines(values):
    unit = l2_normalize(values)
    return unit @ unit.T


@pytest.mark.parametrize("frames", [DIM, 0])
def test_cosines_are_those_of_predicted_tags(frames):
    """Where all directions are kept, of which there are at most as many as tags; more numbers are zeros."""
    training, test = videos(), videos(9, seed=4)
    if not frames:
        training, test = (each._replace(mean_frames=np.zeros_like(each.mean_frames)) for each in (training, test))
    model, basis = fit_linear(training, TAGS, 12)
    assert (model.dim, basis.shape) == (12, (len(TAGS), 12))
    values = model.embed(test.titles, test.mean_frames)
    np.testing.assert_allclose(cosines(values), cosines(predicted(training, test)), atol=1e-4)
    assert not values[:, len(TAGS) :].any() and values[:, : len(TAGS) - 1].any(axis=0).all()


def test_fewer_features_than_tags():
    """Predictions lie in a space of as many directions as there are features, four frame numbers."""
    training, test = (videos(count, seed, titles=[""] * count) for count, seed in ((40, 3), (9, 4)))
    model, _ = fit_linear(training, TAGS, 5)
    values = model.embed(test.titles, test.mean_frames)
    assert model.terms == () and not values[:, DIM:].any()
    np.testing.assert_allclose(cosines(values), cosines(predicted(training, test)), atol=1e-4)


def test_a_few_numbers_are_the_best_ones_of_the_training_videos(console):
    """The first right singular vectors of the predictions of the training videos, up to their signs."""
    training = videos()
    model, basis = fit_linear(training, TAGS, 3)
    predictions = predicted(training, training)
    _, sizes, directions = np.linalg.svd(predictions, full_matrices=False)
    np.testing.assert_allclose(np.abs(np.sum(basis * directions[:3].T, axis=0)), 1, atol=1e-4)
    np.testing.assert_allclose(model.embed(training.titles, training.mean_frames), predictions @ basis, atol=1e-5)
    share = np.square(sizes[:3]).sum() / np.square(sizes).sum()
    assert f"linear: 40 videos, 7 tags; 3 numbers hold {share:.2%} of the predictions" in console.readouterr().out


def test_training_videos_are_embedded_by_models_of_other_titles():
    """The part of a video is that of its title's place among the titles, modulo 5; videos of one title are together."""
    training = videos()
    _, basis = fit_linear(training, TAGS, 5)
    chosen = [3, 8, 20]
    some = RawVideos(*([values[row] for row in chosen] for values in training[:2]), training.mean_frames[chosen])
    found = cross_fitted(training, TAGS, basis, some)
    places = {title: place for place, title in enumerate(dict.fromkeys(training.titles))}
    parts = np.array([places[title] % 5 for title in training.titles])
    for row, values in zip(chosen, found, strict=True):
        others = np.flatnonzero(parts != parts[row])
        rest = RawVideos(
            [training.ids[each] for each in others], [training.titles[each] for each in others],
            training.mean_frames[others], [training.tags[each] for each in others],
        )  # fmt: skip
        one = RawVideos([training.ids[row]], [training.titles[row]], training.mean_frames[[row]])
        np.testing.assert_allclose(values, (predicted(rest, one) @ basis)[0], atol=1e-5)
        assert np.abs(values - predicted(training, one) @ basis).max() > 1e-3


def test_videos_without_titles_are_dealt_out_one_by_one():
    training = videos(titles=[" "] * 40)
    _, basis = fit_linear(training, TAGS, 4)
    assert cosine_similarity(cross_fitted(training, TAGS, basis, training), predicted(training, training) @ basis).mean() > 0.9


def test_no_known_tags():
    with pytest.raises(UserError, match="none of 40 training videos has a tag"):
        fit_linear(videos(tags=[[1]] * 40), TAGS, 4)
