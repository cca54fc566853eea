"""The labels of the figures, in English and Korean.

The language is the argument ``language`` of the plot functions.  Its default is the environment variable
``GLUON_DEEPRNN_LANGUAGE``, ``en`` or ``ko``, else English.  Without a font with Hangul the labels are English.
"""

import os
from typing import Any, Callable, Optional

from gluon_deeprnn import _checks
from gluon_deeprnn.plotting.style import can_draw_hangul

LANGUAGES = ("en", "ko")
VARIABLE = "GLUON_DEEPRNN_LANGUAGE"

# Matplotlib's math text ($...$) does not support Hangul, so the translations do not use it.
KOREAN = {
    # learning curves
    "epoch": "에포크",
    "perplexity": "퍼플렉서티",
    "training: {:.2f}": "훈련: {:.2f}",
    "validation: {:.2f}": "검증: {:.2f}",
    "best {:.2f}": "최저 {:.2f}",
    # gradients
    "gradient norm": "그래디언트 노름",
    "gradient norm before clipping": "클리핑 전의 그래디언트 노름",
    "{:.0%} of the steps were clipped": "클리핑한 스텝의 비율: {:.0%}",
    "embedding": "임베딩",
    "initial state": "초기 상태",
    "output": "출력 레이어",
    "steps before the prediction": "예측에서 거슬러 올라간 타임 스텝 수",
    "layer": "은닉층",
    "top layer: {:.2f} powers of ten lost for each step back":
        "맨 위 은닉층: 한 스텝 거슬러 올라갈 때마다 10의 {:.2f}제곱분의 1로 감소",
    "top layer: {:.2f} powers of ten gained for each step back":
        "맨 위 은닉층: 한 스텝 거슬러 올라갈 때마다 10의 {:.2f}제곱배로 증가",
    # the network; "layer {}" is in the gradients' legend too
    "layer {}": "은닉층 {}",
    "{}, {} layer of {} hidden units": "{}, 은닉층 {}개, 은닉 유닛 {}개",
    "{}, {} layers of {} hidden units": "{}, 은닉층 {}개, 은닉 유닛 {}개",
    "dropout {:g}": "드롭아웃 {:g}",
    "weight dropout {:g}": "가중치 드롭아웃 {:g}",
    "layer normalisation": "레이어 정규화",
    "residual": "잔차 연결",
    "inputs": "입력",
    "inputs\n({})": "입력\n({})",
    "embedded\ntokens ({})": "임베딩한\n토큰 ({})",
    "one-hot\ntokens ({})": "원-핫\n토큰 ({})",
    "logits of the\nnext token ({})": "다음 토큰의\n로짓 ({})",
}


def labels(language: Optional[str]) -> Callable[..., str]:
    """Return a function that formats an English label with values and translates it to ``language``.

    Parameters
    ----------
    language : {'en', 'ko'}, optional
        The language; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.

    Returns
    -------
    callable
        ``label(english, *values)``; a text without a translation is not translated.

    Raises
    ------
    InputError
        For any other language.

    Examples
    --------
    >>> from gluon_deeprnn.plotting.labels import labels
    >>> labels('en')('best {:.2f}', 6.178)
    'best 6.18'
    """
    if language is not None:
        _checks.one_of("language", language, LANGUAGES)
    else:
        language = _checks.one_of(VARIABLE, os.environ.get(VARIABLE) or "en", LANGUAGES)
    table = KOREAN if language == "ko" and can_draw_hangul() else {}

    def label(english: str, *values: Any) -> str:
        text = table.get(english, english)
        return text.format(*values) if values else text

    return label
