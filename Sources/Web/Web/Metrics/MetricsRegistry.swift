import Synchronization

/// Numbers for Prometheus (text format 0.0.4), in bounded memory: a family has at most so many series, and what comes after
/// them is counted together under the label value `other`.
public final class MetricsRegistry: Sendable {
    /// One line of a scrape.
    public struct Sample: Sendable {
        public var labels: [String]
        public var value: Double

        public init(_ value: Double, labels: [String] = []) {
            self.value = value
            self.labels = labels
        }
    }

    enum Kind: String, Sendable { case counter, gauge, histogram }

    struct Family: Sendable {
        var kind: Kind
        var help: String
        var labels: [String]
        var bounds: [Double]
        var series: [[String]: Series] = [:]
    }

    struct Series: Sendable {
        var value = 0.0
        var buckets: [Int] = []
        var count = 0
    }

    typealias Collector = @Sendable () async -> [Sample]

    private struct State {
        var families: [String: Family] = [:]
        var collectors: [String: (family: Family, collect: Collector)] = [:]
    }

    private let state = Mutex(State())
    private let seriesMax: Int

    public init(seriesMax: Int = 500) { self.seriesMax = seriesMax }

    /// A number that only grows; its name ends in `_total`.
    public func counter(_ name: String, _ help: String, labels: [String] = []) -> Counter {
        define(name, Family(kind: .counter, help: help, labels: labels, bounds: []))
        return Counter(registry: self, name: name)
    }

    /// A number that goes up and down.
    public func gauge(_ name: String, _ help: String, labels: [String] = []) -> Gauge {
        define(name, Family(kind: .gauge, help: help, labels: labels, bounds: []))
        return Gauge(registry: self, name: name)
    }

    /// A spread of numbers over buckets with rising upper bounds.
    public func histogram(_ name: String, _ help: String, labels: [String] = [], bounds: [Double]) -> Histogram {
        define(name, Family(kind: .histogram, help: help, labels: labels, bounds: bounds))
        return Histogram(registry: self, name: name)
    }

    /// A gauge whose numbers are asked for when somebody scrapes.
    public func gauge(_ name: String, _ help: String, labels: [String] = [], collect: @escaping @Sendable () async -> [Sample]) {
        let family = Family(kind: .gauge, help: help, labels: labels, bounds: [])
        state.withLock { $0.collectors[name] = (family, collect) }
    }

    private func define(_ name: String, _ family: Family) {
        state.withLock { if $0.families[name] == nil { $0.families[name] = family } }
    }

    fileprivate func change(_ name: String, _ labels: [String], _ change: (inout Series, [Double]) -> Void) {
        state.withLock { state in
            guard var family = state.families[name], labels.count == family.labels.count else { return }
            state.families[name] = nil
            let isNew = family.series[labels] == nil
            let key = isNew && family.series.count >= seriesMax ? labels.map { _ in "other" } : labels
            change(&family.series[key, default: Series(buckets: family.bounds.map { _ in 0 })], family.bounds)
            state.families[name] = family
        }
    }

    /// All numbers, families and series in the order of their names.
    public func text() async -> String {
        var (families, collectors) = state.withLock { ($0.families, $0.collectors) }
        for (name, collector) in collectors {
            var family = collector.family
            for sample in await collector.collect().prefix(seriesMax) where sample.labels.count == family.labels.count {
                family.series[sample.labels] = Series(value: sample.value)
            }
            families[name] = family
        }
        return families.sorted { $0.key < $1.key }.map { MetricsText.lines($0.key, $0.value) }.joined()
    }
}

/// A number that only grows.
public struct Counter: Sendable {
    fileprivate let registry: MetricsRegistry
    fileprivate let name: String

    public func add(_ amount: Double = 1, _ labels: String...) {
        guard amount >= 0 else { return }
        registry.change(name, labels) { series, _ in series.value += amount }
    }
}

/// A number that goes up and down.
public struct Gauge: Sendable {
    fileprivate let registry: MetricsRegistry
    fileprivate let name: String

    public func add(_ amount: Double, _ labels: String...) {
        registry.change(name, labels) { series, _ in series.value += amount }
    }
    public func set(_ value: Double, _ labels: String...) { registry.change(name, labels) { series, _ in series.value = value } }
}

/// A spread of numbers.
public struct Histogram: Sendable {
    fileprivate let registry: MetricsRegistry
    fileprivate let name: String

    public func observe(_ value: Double, _ labels: String...) {
        registry.change(name, labels) { series, bounds in
            series.value += value
            series.count += 1
            if let index = bounds.firstIndex(where: { value <= $0 }) { series.buckets[index] += 1 }
        }
    }
}
