"""The ridge of adds-train in numpy, float64: the definition that lib/ridge is compared with (used by ridge.py beside it).

tokens   [N, M, D] unit tile CLS tokens of the training pictures (M = 1: one token a picture), or a list of [M_n, D]
         (pictures may differ in M: every softmax and maximum is then over a picture's own tiles; the c grid is used if any M > 1)
texts    [L, D]    unit label texts
Y, W     [N, L]    targets 0/1; W 0 where unknown
labels   rows of the vocabulary that may be trained, in vocabulary order; of them those with a known positive and a known negative are trained
Ties go to the earlier grid point. N counts labelled training pictures, in stream order.
"""
import numpy as np

TAU, TAU_MEAN, CAP = 1.0, 0.3, 50.0
SHARES, SHARPNESS = (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.5, 1.0, 2.0)
LAMBDAS, RHOS = (0.1, 0.3, 1.0, 3.0, 10.0), (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
LABEL_FOLDS, PICTURE_FOLDS, MIN_POSITIVES, MIN_LABELS, MIN_PICTURES = 4, 3, 3, 12, 6


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def average_precision(score, y):
    order = np.argsort(-score, kind="stable")
    y = y[order]
    return float((np.cumsum(y) / np.arange(1, len(y) + 1) * y).sum() / y.sum())


def label_aps(S, Y, W):
    """AP of each column over its known cells; nan below MIN_POSITIVES positives"""
    out = np.full(S.shape[1], np.nan)
    for k in range(S.shape[1]):
        known = W[:, k] > 0
        if Y[known, k].sum() >= MIN_POSITIVES:
            out[k] = average_precision(S[known, k], Y[known, k])
    return out


def usable(Y, W, labels):
    return [k for k in labels if (Y[:, k] * W[:, k]).sum() >= 1 and ((1 - Y[:, k]) * W[:, k]).sum() >= 1]


def lower_bound(d):
    """mean - 2 standard errors over labels: a gain must stand out of the noise of the grid"""
    return d.mean() - 2 * d.std(ddof=1) / np.sqrt(len(d)) if len(d) > 1 else min(d.mean(), 0.0)


def chance(n, p):
    """expected AP of a random order of n pictures, p of them positive"""
    h = (1 / np.arange(1, n + 1)).sum()
    return ((p - 1) / (n - 1) * (n - h) + h) / n if n > 1 else 1.0


def caution(zero, Y, W, judged):
    """standard errors that a gain must have: three where zero-shot ranks these pictures no better than chance, so that they cannot show what may be lost"""
    d = np.array([zero[k] - chance(int((W[:, k] > 0).sum()), (Y * W)[:, k].sum()) for k in judged])
    return 2 if len(d) and d.mean() > 3 * (d.std(ddof=1) / np.sqrt(len(d)) if len(d) > 1 else 0) else 3


def standing_out(d, errors):
    bound = lower_bound(d)
    return 0.0 if bound > 0 and d.mean() < errors * d.std(ddof=1) / np.sqrt(len(d)) else bound


# ---- the reading: z(x, t)
def ragged(tokens):
    return isinstance(tokens, list)


def tiles(tokens):
    """1 where every picture has one token, else more"""
    return max(len(v) for v in tokens) if ragged(tokens) else tokens.shape[1]


def subset(tokens, mask):
    return [v for v, m in zip(tokens, mask) if m] if ragged(tokens) else tokens[mask]


def read(tokens, texts, mean_text, share, sharp, sigma=None):
    if ragged(tokens):
        C = [v @ (texts - share * mean_text).T for v in tokens]
        sigma = np.concatenate(C).std(ddof=1) if sigma is None else sigma
        if sharp == 0:
            return np.stack([c.max(0) for c in C]), sigma
        return np.stack([(softmax(sharp / sigma * c, 0) * c).sum(0) for c in C]), sigma
    C = tokens @ (texts - share * mean_text).T                      # [N, M, L]
    if tokens.shape[1] == 1:
        return C[:, 0], 1.0
    sigma = C.std(ddof=1) if sigma is None else sigma
    if sharp == 0:
        return C.max(1), sigma
    return (softmax(sharp / sigma * C, 1) * C).sum(1), sigma


def choose_reading(tokens, texts, Y, W, labels):
    mean_text = texts[labels].mean(0)
    zero = label_aps(read(tokens, texts[labels], mean_text, 0, 0)[0], Y[:, labels], W[:, labels])
    ok, best = ~np.isnan(zero), (0.0, 0.0, 0.0)
    if ok.sum() >= MIN_LABELS:
        for share in SHARES:
            for sharp in SHARPNESS if tiles(tokens) > 1 else (0.0,):
                ap = label_aps(read(tokens, texts[labels], mean_text, share, sharp)[0], Y[:, labels], W[:, labels])
                bound = lower_bound((ap - zero)[ok])
                if bound > best[0] + 1e-9:
                    best = (bound, share, sharp)
    return mean_text, best[1], best[2]


# ---- features of the correction: phi(x, t) [N, D], or [N, L, D] where a picture has several tiles
def pool(tokens, texts, beta):
    if ragged(tokens):
        return np.stack([softmax(beta * texts @ v.T, 1) @ v for v in tokens])
    if tokens.shape[1] == 1:
        return tokens[:, 0]
    return softmax(beta * np.einsum("ld,nmd->nlm", texts, tokens), 2) @ tokens


def centred(texts, mean_text):
    d = texts - mean_text
    n = np.linalg.norm(d, axis=-1, keepdims=True)
    return np.where(n < 1e-6, 0.0, d / np.maximum(n, 1e-6))         # a text that is the mean has no direction


def kernel(a, b, tau):
    return np.exp(-(1 - a @ b.T) / tau)


# ---- the ridge: minimise sum omega (r - phi (kappa A)_k)^2 + lambda tr(A' kappa A) by conjugate gradients
# In exact arithmetic the residuals of different steps are orthogonal. The plain recursion loses that even in float64, as kappa's largest
# eigenvalue stands far out, and then takes more steps than the method: what is left in R of the earlier residuals is taken out.
def fit(phi, Z, Y, W, texts, labels, lam):
    labels = usable(Y, W, labels)
    if not labels or len(Z) < 2:
        return None                                                            # nothing to learn from: h = 0
    n = (Y * W)[:, labels].sum(0)
    per_label = phi.ndim == 3
    X = phi[:, labels].transpose(1, 0, 2) if per_label else phi[None]           # [K or 1, N, D]
    mu = X.reshape(-1, X.shape[-1]).mean(0)
    X = X - mu
    scale = np.sqrt((((X - X.mean(1, keepdims=True)) if per_label else X) ** 2).sum(-1).mean()) or 1.0
    X = X / scale
    y, w = Y[:, labels].T, W[:, labels].T                                      # [K, N]
    c, negatives = np.minimum(n, CAP), np.maximum((w * (1 - y)).sum(1), 1)
    omega = w * np.where(y > 0, (c / n)[:, None], (c / negatives)[:, None])     # each side of label k weighs c_k
    total = omega.sum(1, keepdims=True)
    z = Z[:, labels].T
    z = z - (omega * z).sum(1, keepdims=True) / total
    r = y - (omega * y).sum(1, keepdims=True) / total
    s = max((omega * z * r).sum() / max((omega * z * z).sum(), 1e-12), 1e-3)
    r = r - s * z
    if per_label:
        mean = np.einsum("kn,knd->kd", omega, X) / total
        forward = lambda B: np.einsum("knd,kd->kn", X, B) - (mean * B).sum(1, keepdims=True)
        backward = lambda E: np.einsum("kn,knd->kd", E, X) - E.sum(1, keepdims=True) * mean
    else:
        mean = omega @ X[0] / total
        forward = lambda B: B @ X[0].T - (mean * B).sum(1, keepdims=True)
        backward = lambda E: E @ X[0] - E.sum(1, keepdims=True) * mean
    mean_text = texts[labels].mean(0)
    U = centred(texts[labels], mean_text)
    K = kernel(U, U, TAU)
    A, R = np.zeros_like(mean), backward(omega * r)
    P, rs = R.copy(), (R * (K @ R)).sum()
    start = rs
    steps = 0
    past = [(R, rs)]
    for _ in range(60):
        if rs <= 1e-6 * start:
            break
        KP = K @ P
        Q = backward(omega * forward(KP)) + lam * P
        steps += 1
        alpha = rs / (KP * Q).sum()
        A += alpha * P
        R = R - alpha * Q
        KR = K @ R
        R = R - sum((old * KR).sum() / norm * old for old, norm in past)
        new = (R * (K @ R)).sum()
        P, rs = R + new / rs * P, new
        past.append((R, rs))
    return dict(labels=labels, mu=mu, scale=scale, s=s, mean_text=mean_text, U=U, A=A, steps=steps)


def correction(m, phi, texts):
    """h(x, t) in units of z, for every row of texts"""
    if m is None:
        return np.zeros((len(phi), len(texts)))
    w = kernel(centred(texts, m["mean_text"]), m["U"], TAU) @ m["A"] / (m["s"] * m["scale"])
    return (phi - m["mu"]) @ w.T if phi.ndim == 2 else ((phi - m["mu"]) * w).sum(-1)


# ---- lambda and the two strengths, by labels held out
def select(phi, Z, Y, W, texts, labels):
    N, L = Z.shape
    zero = label_aps(Z, Y, W)
    judged = [k for k in labels if not np.isnan(zero[k])]
    few, errors = len(judged) < MIN_LABELS, caution(zero, Y, W, judged)
    folds = 1 if few else LABEL_FOLDS
    fold_of = np.full(L, -1)
    _, first = np.unique(texts[labels], axis=0, return_inverse=True)            # equal texts share a fold
    order = {}
    fold_of[labels] = [order.setdefault(int(i), len(order)) % folds for i in first.reshape(-1)]
    part = np.arange(N) % PICTURE_FOLDS
    best = None
    for lam in LAMBDAS:
        H = np.zeros((folds, N, L))
        for f in range(folds):
            kept = [k for k in labels if few or fold_of[k] != f]
            for p in range(PICTURE_FOLDS):
                a, b = part != p, part == p
                H[f][b] = correction(fit(phi[a], Z[a], Y[a], W[a], texts, kept, lam), phi[b], texts)
        trained, held = [], []
        for rho in RHOS:
            d = np.stack([label_aps(Z + rho * H[f], Y, W) - zero for f in range(folds)])
            trained.append(standing_out(np.array([np.mean([d[f, k] for f in range(folds) if few or f != fold_of[k]]) for k in judged]), errors))
            held.append(-np.inf if few else standing_out(np.array([d[fold_of[k], k] for k in judged]), errors))
        t, h = int(np.argmax(trained)), 0 if few else int(np.argmax(held))          # ties: the smaller rho
        total = trained[t] + (0 if few else held[h])
        if best is None or total > best["total"]:
            best = dict(total=total, lam=lam, rho_trained=RHOS[t], rho_untrained=0.0 if few else RHOS[h], H=H, fold_of=fold_of, folds=folds)
    return best


def train(tokens, texts, Y, W, labels, beta):
    """the whole model; beta: CLIP's logit scale"""
    labels = usable(Y, W, labels)
    if not labels or len(tokens) < MIN_PICTURES:
        return None                                                            # the caller keeps zero-shot
    mean_text, share, sharp = choose_reading(tokens, texts, Y, W, labels)
    sigma = read(tokens, texts[labels], mean_text, share, sharp)[1]
    Z = read(tokens, texts, mean_text, share, sharp, sigma)[0]
    phi = pool(tokens, texts, beta)
    q = select(phi, Z, Y, W, texts, labels)
    m = fit(phi, Z, Y, W, texts, labels, q["lam"])
    G = m["U"] @ m["U"].T
    np.fill_diagonal(G, -1)
    d90 = np.quantile(1 - G.max(1), 0.9) if len(m["labels"]) > 1 else 1.0
    m.update(q, share=share, sharp=sharp, sigma=sigma, beta=beta, d90=max(d90, 1e-6), Z=Z)
    return m


def strength(m, texts, is_trained):
    d = 1 - (centred(texts, m["mean_text"]) @ m["U"].T).max(1)
    return np.where(is_trained, m["rho_trained"], m["rho_untrained"] * np.clip((2 * m["d90"] - d) / m["d90"], 0, 1))


def score(m, tokens, texts, is_trained):
    z = read(tokens, texts, m["mean_text"], m["share"], m["sharp"], m["sigma"])[0]
    return z + strength(m, texts, is_trained) * correction(m, pool(tokens, texts, m["beta"]), texts)


# ---- calibration: logit = A (score - mean_t) + B + o_t; monotone in each label
def newton(x, y, w, offsets, penalty):
    sd = x[w > 0].std(ddof=1) or 1.0
    x, A, B, o = x / sd, 1.0, np.log((y * w).sum() / ((1 - y) * w).sum()), np.zeros(x.shape[1])
    steps = 0
    for _ in range(60):
        p = 1 / (1 + np.exp(-(A * x + B + o)))
        r, v = w * (p - y), w * p * (1 - p) + 1e-9
        hess = np.array([[(v * x * x).sum(), (v * x).sum()], [(v * x).sum(), v.sum()]]) + 1e-3 * np.eye(2)
        step = np.clip(np.linalg.solve(hess, [(r * x).sum(), r.sum()]), -0.5, 0.5)
        A, B = max(A - step[0], 1e-3), B - step[1]
        if offsets:
            p = 1 / (1 + np.exp(-(A * x + B + o)))
            r, v = w * (p - y), w * p * (1 - p)
            o = o - np.clip((r.sum(0) + penalty * o) / (v.sum(0) + penalty), -0.5, 0.5)
    return A / sd, B, o


def calibrate(m, texts, Y, W):
    """slope, intercept and mean score of every label; logit = slope * (score - mean) + intercept"""
    t, H, folds, fold_of = m["labels"], m["H"], m["folds"], m["fold_of"]
    mean = m["Z"].mean(0)
    out = np.stack([np.mean([H[f][:, k] for f in range(folds) if folds == 1 or f != fold_of[k]], 0) for k in t], 1)
    At, Bt, o = newton(m["Z"][:, t] + m["rho_trained"] * out - mean[t], Y[:, t], W[:, t], True, 0.25)
    Au, Bu = At, Bt
    if folds > 1:
        held = np.stack([H[fold_of[k]][:, k] for k in t], 1)
        Au, Bu, _ = newton(m["Z"][:, t] + m["rho_untrained"] * held - mean[t], Y[:, t], W[:, t], False, 0)
    K = kernel(m["U"], m["U"], TAU_MEAN) + 0.1 * np.eye(len(t))
    smooth = mean[t].mean() + kernel(centred(texts, m["mean_text"]), m["U"], TAU_MEAN) @ np.linalg.solve(K, mean[t] - mean[t].mean())
    slope, intercept = np.full(len(texts), Au), np.full(len(texts), Bu)
    smooth[t], slope[t], intercept[t] = mean[t], At, Bt + o
    return slope, intercept, smooth
