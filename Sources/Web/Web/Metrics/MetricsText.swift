/// The text format that Prometheus reads.
enum MetricsText {
    static func lines(_ name: String, _ family: MetricsRegistry.Family) -> String {
        var text = "# HELP \(name) \(escape(family.help, quotes: false))\n# TYPE \(name) \(family.kind.rawValue)\n"
        for (values, series) in family.series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let labels = zip(family.labels, values).map { "\($0)=\"\(escape($1, quotes: true))\"" }
            guard family.kind == .histogram else {
                text += "\(name)\(braces(labels)) \(number(series.value))\n"
                continue
            }
            var sum = 0
            for (bound, count) in zip(family.bounds, series.buckets) {
                sum += count
                text += "\(name)_bucket\(braces(labels + ["le=\"\(number(bound))\""])) \(sum)\n"
            }
            text += "\(name)_bucket\(braces(labels + ["le=\"+Inf\""])) \(series.count)\n"
            text += "\(name)_sum\(braces(labels)) \(number(series.value))\n\(name)_count\(braces(labels)) \(series.count)\n"
        }
        return text
    }

    private static func braces(_ labels: [String]) -> String { labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}" }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }

    private static func escape(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n", "\r\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
