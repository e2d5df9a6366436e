//! The page on troubleshooting answers each complaint that is on record about today's ways, with a link to it.

use crate::markdown::Document;
use crate::read;

const PAGE: &str = "docs/deploy/troubleshooting.md";

/// By repository. The project's own list, from reading their issues in November 2026.
const COMPLAINTS: [(&str, &[u32]); 11] = [
    (
        "strimzi/strimzi-kafka-operator",
        &[
            2632, 3223, 4081, 2381, 6475, 6479, 9901, 1211, 1733, 2345, 12706, 10714, 11292, 1364,
            3611, 873, 3330, 3829, 2398, 10880, 10592, 12140, 11123, 3984,
        ],
    ),
    (
        "bitnami/charts",
        &[
            17837, 2102, 22534, 3962, 25580, 18419, 36392, 15654, 5064, 3147, 25192, 7846,
        ],
    ),
    ("bitnami/containers", &[86597, 85621]),
    ("Yolean/kubernetes-kafka", &[13, 199, 242]),
    ("redpanda-data/helm-charts", &[15, 118, 574]),
    ("banzaicloud/koperator", &[523, 226, 439, 440, 763]),
    ("adobe/koperator", &[278]),
    ("grepplabs/kafka-proxy", &[174, 82, 30, 121, 164, 182]),
    (
        "kroxylicious/kroxylicious",
        &[265, 1824, 3348, 2324, 4161, 2388],
    ),
    (
        "kubernetes-sigs/aws-load-balancer-controller",
        &[1834, 1858, 2366, 3270],
    ),
    ("confluentinc/librdkafka", &[3109]),
];

#[test]
fn every_complaint_is_answered() {
    let page = read(PAGE);
    assert_eq!(unanswered(&page), [""; 0]);
}

/// Those that no row of a table links to, or whose row has no answer.
fn unanswered(page: &str) -> Vec<String> {
    let rows: Vec<Document> = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 2)
        .filter(|line| {
            line.rsplit('|')
                .nth(1)
                .is_some_and(|answer| answer.trim().len() > 20)
        })
        .map(|line| Document::parse(PAGE, line))
        .collect();
    let mut missing = Vec::new();
    for (repository, numbers) in COMPLAINTS {
        for number in numbers {
            let links = ["issues", "pull"]
                .map(|kind| format!("https://github.com/{repository}/{kind}/{number}"));
            let answered = rows
                .iter()
                .any(|row| row.links.iter().any(|link| links.contains(&link.target)));
            if !answered {
                missing.push(format!("{repository}#{number}"));
            }
        }
    }
    missing
}

#[test]
fn a_complaint_without_an_answer_is_found() {
    let all: usize = COMPLAINTS.iter().map(|(_, numbers)| numbers.len()).sum();
    let row = |answer| {
        format!("| x | [a#13](https://github.com/Yolean/kubernetes-kafka/issues/13) | {answer} |")
    };
    assert_eq!(unanswered(&row("")).len(), all);
    assert_eq!(unanswered(&row("there is but one Service")).len(), all - 1);
}
