from vsim_tf.ensemble.class_report import of_folds


def test_how_scores_at_validation_are_to_be_read():
    assert "mean F1 is higher there than on unseen content" in of_folds({"wbdc_1": [0, 1], "wbdc_2": ["full"]})["validation"]
    assert of_folds({"wbdc_1": ["full"]}) == {}
