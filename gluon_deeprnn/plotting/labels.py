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
    "unigram {:.2f}": "유니그램 {:.2f}",
    "{}-gram {:.2f}": "{}-그램 {:.2f}",
    # several runs
    "seconds": "초",
    "parameters": "파라미터 수",
    "validation perplexity": "검증 퍼플렉서티",
    "best validation perplexity": "가장 낮은 검증 퍼플렉서티",
    # predictors
    "network": "네트워크",
    "dynamic": "동적 평가",
    "mixture": "혼합",
    "dynamic mixture": "동적 평가와 혼합",
    "characters read": "읽은 문자 수",
    "mean bits per character so far": "지금까지의 문자당 평균 비트 수",
    "bits per character": "문자당 비트 수",
    " ({:.1%} of the tokens unknown)": " (미등록 토큰 {:.1%})",
    "gain of {} over {}": "{}의 이득({} 기준)",
    "tokens of the longest context that occurred before\n(above the bars: share of all tokens)":
        "앞에 나온 적이 있는 가장 긴 문맥의 토큰 수\n(막대 위: 전체 토큰에서의 비율)",
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
    "skip connections": "스킵 연결",
    "inputs": "입력",
    "inputs\n({})": "입력\n({})",
    "embedded\ntokens ({})": "임베딩한\n토큰 ({})",
    "one-hot\ntokens ({})": "원-핫\n토큰 ({})",
    "logits of the\nnext token ({})": "다음 토큰의\n로짓 ({})",
    # surprisal
    "surprisal in bits": "정보량(비트)",
    "surprisal in bits (bars up to {})": "정보량(비트, 막대는 {}까지)",
    "lines {} to {} of {}": "{}~{}번째 줄(전체 {}줄)",
    "{:.2f} bits per character": "문자당 {:.2f}비트",
    "underlined: {:.1%} unknown tokens": "밑줄: 미등록 토큰 {:.1%}",
    "{:.1f} bits": "{:.1f}비트",
    "no prediction": "예측 없음",
    "not in the vocabulary": "어휘에 없음",
    "numbers: bits of the most surprising words": "숫자: 정보량이 가장 큰 단어의 비트 수",
    "framed: not in the vocabulary, {:.1%} of the tokens": "테두리: 어휘에 없음, 토큰의 {:.1%}",
    "below {}": "{} 미만",
    "from {}": "{} 이상",
    # hidden units
    "layer {}, unit {}": "은닉층 {}, 유닛 {}",
    "layer {}, memory cell {}": "은닉층 {}, 메모리 셀 {}",
    "from {:.2f} to {:.2f}": "{:.2f}~{:.2f}",
    "standard deviation {:.2f}": "표준 편차 {:.2f}",
    "r: correlation in the second half of the text, units chosen in the first half":
        "r: 텍스트의 뒤쪽 절반에서 구한 상관 계수, 유닛은 앞쪽 절반에서 고름",
    "no unit follows a known feature of the text; these are the units that vary most":
        "텍스트의 알려진 특성을 따르는 유닛이 없어, 가장 많이 변하는 유닛을 보임",
    "hidden state": "은닉 상태",
    "state, or place in a given range": "상태, 또는 표시한 범위 안의 위치",
    # features of a text
    "inside quotes": "따옴표 안",
    "inside parentheses": "괄호 안",
    "depth of parentheses": "괄호의 깊이",
    "position in the line": "줄 안에서의 위치",
    "position in the word": "단어 안에서의 위치",
    "length of the word": "단어의 길이",
    "in a capitalised word": "대문자로 시작하는 단어 안",
    "in a word of capitals": "대문자로 된 단어 안",
    "at a capital letter": "대문자",
    "at a vowel": "모음",
    "at a syllable with a final consonant": "받침이 있는 음절",
    "at a digit": "숫자",
    "at a punctuation mark": "문장 부호",
    "at white space": "공백",
    "at a line break": "줄 바꿈",
    "before white space": "공백 앞",
    "at the second of two equal letters": "같은 두 문자 중 뒤의 것",
    "distance from the end of the last sentence": "앞 문장의 끝에서부터의 거리",
    "distance from the last comma": "앞 쉼표에서부터의 거리",
    "lines since the last blank line": "빈 줄 이후의 줄 수",
    "indentation of the line": "줄의 들여쓰기",
}


def chosen_language(language: Optional[str]) -> str:
    """Return ``language``; if it is None, the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``."""
    if language is not None:
        return _checks.one_of("language", language, LANGUAGES)
    return _checks.one_of(VARIABLE, os.environ.get(VARIABLE) or "en", LANGUAGES)


def labels(language: Optional[str], *, drawn: bool = True) -> Callable[..., str]:
    """Return a function that formats an English label with values and translates it to ``language``.

    Parameters
    ----------
    language : {'en', 'ko'}, optional
        The language; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.
    drawn : bool, default True
        Whether the labels are drawn by Matplotlib, and so are English without a font with Hangul.

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
    table = KOREAN if chosen_language(language) == "ko" and (not drawn or can_draw_hangul()) else {}

    def label(english: str, *values: Any) -> str:
        text = table.get(english, english)
        return text.format(*values) if values else text

    return label
