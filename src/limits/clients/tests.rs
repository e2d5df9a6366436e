use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at_once(connections: usize) -> ClientLimits {
    ClientLimits {
        connections: Some(connections),
        rate: None,
    }
}

fn per_second(connections: u32) -> ClientLimits {
    ClientLimits {
        connections: None,
        rate: Some(Rate {
            connections,
            per: SECOND,
        }),
    }
}

fn per_hour(connections: u32) -> ClientLimits {
    ClientLimits {
        connections: None,
        rate: Some(Rate {
            connections,
            per: SECOND * 3600,
        }),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl Clients {
    /// What went wrong, if anything, of a connection that is closed at once.
    fn refusal(&self, now: Instant, ip: IpAddr, limits: &ClientLimits) -> Option<Refused> {
        self.admit_at(now, ip, limits).err()
    }

    /// How many clients are known, and how many of them have no connection.
    fn known(&self) -> (usize, usize) {
        let shards = self.0.shards.iter().map(|shard| shard.lock().unwrap());
        shards.fold((0, 0), |(known, absent), shard| {
            assert!(shard.clients.len() >= shard.absent.len());
            (known + shard.clients.len(), absent + shard.absent.len())
        })
    }
}

#[test]
fn a_client_has_at_most_its_connections() {
    let clients = Clients::new();
    let one = ip("192.0.2.1");
    let held: Vec<_> = (0..3)
        .map(|_| clients.admit(one, &at_once(3)).unwrap())
        .collect();
    assert_eq!(
        clients.admit(one, &at_once(3)).unwrap_err(),
        Refused::Connections
    );
    assert!(
        clients.admit(ip("192.0.2.2"), &at_once(3)).is_ok(),
        "another"
    );
    assert!(clients.admit(one, &at_once(4)).is_ok(), "after a reload");
    drop(held.into_iter().next_back());
    assert_eq!(clients.known(), (0, 0), "all were dropped");
    assert!(clients.admit(one, &at_once(3)).is_ok());
    assert!(clients.admit(one, &at_once(0)).is_err());
    assert_eq!(clients.known(), (0, 0));
}

#[test]
fn a_client_connects_as_often_as_it_may() {
    let clients = Clients::new();
    let one = ip("192.0.2.1");
    let start = Instant::now();
    let admitted = |after: Duration| {
        let now = start + after;
        (0..100)
            .take_while(|_| clients.refusal(now, one, &per_second(10)).is_none())
            .count()
    };
    assert_eq!(admitted(Duration::ZERO), 10, "a burst");
    assert_eq!(admitted(SECOND / 10 - Duration::from_nanos(1)), 0);
    assert_eq!(admitted(SECOND / 10), 1);
    assert_eq!(admitted(SECOND / 2), 4);
    assert_eq!(
        admitted(SECOND * 100),
        10,
        "no more than one burst is saved up"
    );
    let now = start + SECOND * 100;
    assert_eq!(
        clients.refusal(now, one, &per_second(10)),
        Some(Refused::Rate)
    );
    assert_eq!(
        clients.refusal(now, ip("192.0.2.2"), &per_second(10)),
        None,
        "another"
    );
}

#[test]
fn over_a_long_time_the_rate_is_exact() {
    let clients = Clients::new();
    let start = Instant::now();
    let is_admitted = |&millis: &u64| {
        let now = start + Duration::from_millis(millis);
        clients
            .refusal(now, ip("192.0.2.1"), &per_second(7))
            .is_none()
    };
    let count = (0..100_000).filter(is_admitted).count();
    assert!(
        (700..=707).contains(&count),
        "7 a second and a burst, {count} in 100 s"
    );
}

#[test]
fn a_slower_or_faster_rate_holds_from_the_next_connection_on() {
    let clients = Clients::new();
    let one = ip("192.0.2.1");
    let start = Instant::now();
    assert_eq!(clients.refusal(start, one, &per_hour(1)), None);
    assert_eq!(
        clients.refusal(start + SECOND, one, &per_hour(1)),
        Some(Refused::Rate)
    );
    assert_eq!(
        clients.refusal(start + SECOND, one, &per_second(1)),
        Some(Refused::Rate)
    );
    // An hour's emptiness is a second's from then on.
    let nearly = start + SECOND * 2 - Duration::from_nanos(1);
    assert_eq!(
        clients.refusal(nearly, one, &per_second(1)),
        Some(Refused::Rate)
    );
    assert_eq!(
        clients.refusal(start + SECOND * 2, one, &per_second(1)),
        None
    );
    assert_eq!(clients.known(), (1, 1));
}

#[test]
fn odd_rates_are_no_trouble() {
    let rate = |connections, per| Rate { connections, per };
    assert_eq!(rate(0, SECOND).take(0, 0), None, "none is admitted");
    assert_eq!(rate(1, Duration::ZERO).take(5, 7), Some(7), "all are");
    assert_eq!(rate(u32::MAX, Duration::from_nanos(1)).take(5, 7), Some(7));
    assert_eq!(rate(1, Duration::MAX).take(0, 0), Some(u64::MAX));
    assert_eq!(rate(1, Duration::MAX).take(u64::MAX, 1), None);
}

#[test]
fn refused_connections_count_towards_no_limit() {
    let clients = Clients::new();
    let one = ip("192.0.2.1");
    let now = Instant::now();
    let both = ClientLimits {
        connections: Some(1),
        ..per_hour(2)
    };
    let held = clients.admit_at(now, one, &both).unwrap();
    for _ in 0..10 {
        assert_eq!(clients.refusal(now, one, &both), Some(Refused::Connections));
    }
    drop(held);
    let held = clients.admit_at(now, one, &both).unwrap();
    drop(held);
    for _ in 0..10 {
        assert_eq!(clients.refusal(now, one, &both), Some(Refused::Rate));
    }
    let held = clients.admit_at(now + SECOND * 3600, one, &both);
    assert!(held.is_ok(), "what the rate refused took no connection");
}

#[test]
fn addresses_of_one_client_count_together() {
    for (first, second, is_one) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.0", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        // The same number in either family.
        ("0.0.0.1", "0:0:0:1::", false),
    ] {
        let clients = Clients::new();
        let held = clients.admit(ip(first), &at_once(1)).unwrap();
        let refused = clients.admit(ip(second), &at_once(1)).is_err();
        assert_eq!(refused, is_one, "{first} and {second}");
        drop(held);
    }
}

#[test]
fn without_limits_nobody_is_remembered() {
    let clients = Clients::new();
    let held = clients
        .admit(ip("192.0.2.1"), &ClientLimits::default())
        .unwrap();
    assert_eq!(clients.known(), (0, 0));
    let counted = clients.admit(ip("192.0.2.1"), &at_once(1)).unwrap();
    assert_eq!(clients.known(), (1, 0));
    drop(held);
    assert_eq!(clients.known(), (1, 0));
    drop(counted);
    assert_eq!(clients.known(), (0, 0));
}

#[test]
fn a_client_is_known_until_its_bucket_is_full() {
    let clients = Clients::new();
    let one = Client::at(ip("192.0.2.1"));
    let start = Instant::now();
    let both = ClientLimits {
        connections: Some(5),
        ..per_second(1)
    };
    let held = clients.admit_at(start, ip("192.0.2.1"), &both).unwrap();
    assert_eq!(clients.known(), (1, 0));
    std::mem::forget(held);
    clients.release(one, start + SECOND / 2);
    assert_eq!(clients.known(), (1, 1));
    // A clock that is read by another thread may be behind.
    clients.release(one, start);
    assert_eq!(clients.known(), (1, 1));
    clients.release(one, start + SECOND);
    assert_eq!(clients.known(), (0, 0));
}

#[test]
fn of_a_million_addresses_few_are_kept_and_the_worst_are_among_them() {
    let clients = Clients::new();
    let now = Instant::now();
    let worst = ip("192.0.2.1");
    while clients.refusal(now, worst, &per_hour(4)).is_none() {}
    let connected = clients.admit_at(now, ip("192.0.2.2"), &at_once(1)).unwrap();
    for n in 0..1_000_000u32 {
        let other = match n % 2 {
            0 => IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n)),
            _ => IpAddr::from(Ipv6Addr::from_bits(u128::from(n) << 64)),
        };
        let limits = ClientLimits {
            connections: (n % 3 == 0).then_some(1),
            ..per_hour(4)
        };
        assert_eq!(
            clients.refusal(now, other, &limits),
            None,
            "nobody is refused for want of room"
        );
    }
    let (known, absent) = clients.known();
    assert_eq!(known, absent + 1);
    assert!(absent <= Clients::MOST_ABSENT);
    assert!(
        absent > Clients::MOST_ABSENT / 2,
        "there is room for {absent} only"
    );
    assert_eq!(
        clients.refusal(now, worst, &per_hour(4)),
        Some(Refused::Rate)
    );
    assert_eq!(
        clients.refusal(now, ip("192.0.2.2"), &at_once(1)),
        Some(Refused::Connections)
    );
    drop(connected);

    // Once the buckets are full, a few connections of anybody are enough to forget them all.
    let later = now + SECOND * 3600;
    for n in 0..Clients::MOST_ABSENT as u32 {
        let _ = clients.refusal(
            later,
            Ipv4Addr::from_bits(0x0b00_0000 + n % 1000).into(),
            &per_hour(4),
        );
    }
    assert!(clients.known().0 <= 1000, "{:?}", clients.known());
}

#[test]
fn threads_share_the_limits() {
    const MOST: usize = 5;
    let clients = Clients::new();
    let open = [const { AtomicUsize::new(0) }; 3];
    let admitted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let (clients, open, admitted) = (clients.clone(), &open, &admitted);
            scope.spawn(move || {
                for n in 0..5_000 {
                    let which = (thread + n) % open.len();
                    let ip = Ipv4Addr::new(192, 0, 2, which as u8).into();
                    let Ok(permit) = clients.admit(ip, &at_once(MOST)) else {
                        continue;
                    };
                    admitted.fetch_add(1, Ordering::Relaxed);
                    assert!(open[which].fetch_add(1, Ordering::SeqCst) < MOST);
                    std::thread::yield_now();
                    open[which].fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            });
        }
    });
    assert!(admitted.into_inner() >= 5_000, "hardly any was admitted");
    assert_eq!(clients.known(), (0, 0), "every permit came back");
}

#[test]
fn each_refusal_has_a_label() {
    assert_eq!(Refused::Connections.label(), "connections_per_client");
    assert_eq!(Refused::Rate.label(), "connection_rate_per_client");
}
