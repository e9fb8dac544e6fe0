#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::print_stdout
)]
use burn::tensor::activation::*;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Distribution, Int, Tensor};
use std::time::Instant;
fn t<R>(name: &str, mut f: impl FnMut() -> R) {
    f();
    let mut best = f64::MAX;
    for _ in 0..7 {
        let s = Instant::now();
        let r = f();
        best = best.min(s.elapsed().as_secs_f64() * 1e3);
        drop(r);
    }
    println!("{name:40} {best:8.2} ms");
}
fn main() {
    let d = Device::flex();
    let g = Tensor::<3>::random([1, 512, 1536], Distribution::Normal(0., 2.), &d);
    let u = Tensor::<3>::random([1, 512, 1536], Distribution::Normal(0., 2.), &d);
    t("silu(g)*u", || silu(g.clone()) * u.clone());
    t("sigmoid*g*u", || sigmoid(g.clone()) * g.clone() * u.clone());
    t("g/(1+exp(-g))*u", || {
        g.clone() / g.clone().neg().exp().add_scalar(1.0) * u.clone()
    });
    t("g/(1+exp(-g))*u owned", || {
        let g = g.clone().mul_scalar(1.0);
        g.clone() / g.neg().exp().add_scalar(1.0) * u.clone()
    });
    t("exp", || g.clone().exp());
    t("tanh", || g.clone().tanh());
    let x = Tensor::<2>::random([512, 576], Distribution::Normal(0., 1.), &d);
    for (n, k) in [
        (576, 576),
        (192, 576),
        (960, 576),
        (1536, 576),
        (3072, 576),
        (576, 1536),
    ] {
        let w = Tensor::<2>::random([n, k], Distribution::Normal(0., 1.), &d);
        let x = Tensor::<2>::random([512, k], Distribution::Normal(0., 1.), &d);
        t(&format!("matmul 512x{k}x{n}T"), || {
            x.clone().matmul(w.clone().transpose())
        });
    }
    let q = Tensor::<4>::random([1, 9, 512, 64], Distribution::Normal(0., 1.), &d);
    let o = AttentionModuleOptions {
        is_causal: true,
        ..Default::default()
    };
    t("attention", || {
        attention(q.clone(), q.clone(), q.clone(), None, None, o)
    });
    let q2 = Tensor::<4>::random([1, 9, 513, 64], Distribution::Normal(0., 1.), &d);
    t("attention 513 (flash)", || {
        attention(q2.clone(), q2.clone(), q2.clone(), None, None, o)
    });
    t("matmul+softmax", || {
        let s = q.clone().matmul(q.clone().swap_dims(2, 3)).div_scalar(8.0);
        softmax(s, 3).matmul(q.clone())
    });
    // causal in query tiles
    for tile in [64usize, 128, 256] {
        t(&format!("attention by query tiles {tile}"), || {
            let parts: Vec<Tensor<4>> = (0..512 / tile)
                .map(|i| {
                    let end = (i + 1) * tile;
                    attention(
                        q.clone().narrow(2, i * tile, tile),
                        q.clone().narrow(2, 0, end),
                        q.clone().narrow(2, 0, end),
                        None,
                        None,
                        o,
                    )
                })
                .collect();
            Tensor::cat(parts, 2)
        });
    }
    let w = Tensor::<2>::random([49152, 576], Distribution::Normal(0., 1.), &d);
    for n in [32usize, 64, 128, 170, 256, 341] {
        let x = x.clone().narrow(0, 0, n);
        t(&format!("unembed {n}"), || {
            x.clone().matmul(w.clone().transpose())
        });
        let l = x.clone().matmul(w.clone().transpose());
        t(&format!("softmax {n}"), || softmax(l.clone(), 1));
        t(&format!("max_dim {n}"), || l.clone().max_dim(1));
        t(&format!("sub {n}"), || l.clone() - l.clone().max_dim(1));
        t(&format!("sub exp {n}"), || {
            (l.clone() - l.clone().max_dim(1)).exp()
        });
        t(&format!("sub exp sum {n}"), || {
            (l.clone() - l.clone().max_dim(1)).exp().sum_dim(1)
        });
        let idx = Tensor::<2, Int>::zeros([n, 1], &d);
        t(&format!("gather {n}"), || l.clone().gather(1, idx.clone()));
    }
    // accuracy
    let l = x
        .clone()
        .matmul(w.clone().transpose())
        .mul_scalar(0.1)
        .narrow(0, 0, 64);
    let v: Vec<f32> = l.clone().try_into_vec_as().unwrap();
    let m = l.clone().max_dim(1);
    let a: Vec<f32> = ((l.clone() - m.clone()).exp().sum_dim(1).log())
        .try_into_vec_as()
        .unwrap();
    let b: Vec<f32> = (softmax(l.clone(), 1).max_dim(1).log().neg())
        .try_into_vec_as()
        .unwrap();
    let mv: Vec<f32> = m.try_into_vec_as().unwrap();
    let (mut ea, mut eb) = (0f64, 0f64);
    for r in 0..64 {
        let exact = v[r * 49152..(r + 1) * 49152]
            .iter()
            .map(|x| (f64::from(*x) - f64::from(mv[r])).exp())
            .sum::<f64>()
            .ln();
        ea = ea.max((f64::from(a[r]) - exact).abs());
        eb = eb.max((f64::from(b[r]) - exact).abs());
    }
    println!("lse error: exp-sum {ea:e}, softmax {eb:e}");
}
