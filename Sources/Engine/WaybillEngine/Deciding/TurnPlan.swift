import SeededBugs

/// Which tenants are served next, and how many jobs of each: by turns, the lowest virtual time first. Pure.
struct TurnPlan: Sendable {
    struct Turn: Sendable, Equatable {
        var tenant: TenantID
        var lanes: [Lane]
        var jobs: Int
    }

    /// - Parameters:
    ///   - lanes: with ready jobs that may be claimed.
    ///   - count: how many jobs are wanted in all.
    /// - Returns: only tenants that get something, in the order of their turns.
    static func turns(_ lanes: [Lane], count: Int) -> [Turn] {
        var tenants: [Turn] = []
        var position: [TenantID: Int] = [:]
        var times: [Int64] = []
        for lane in lanes where lane.ready > 0 {
            if let index = position[lane.tenant] {
                tenants[index].lanes.append(lane)
                times[index] = max(times[index], lane.virtualTime)
            } else {
                position[lane.tenant] = tenants.count
                tenants.append(Turn(tenant: lane.tenant, lanes: [lane], jobs: 0))
                times.append(lane.virtualTime)
            }
        }
        if tenants.count == 1 {
            tenants[0].jobs = min(count, tenants[0].ready)
            return tenants
        }
        for _ in 0..<max(0, count) {
            let open = tenants.indices.filter { tenants[$0].jobs < tenants[$0].ready }
            let byTurns = open.min { (times[$0], tenants[$0].tenant) < (times[$1], tenants[$1].tenant) }
            let next = SeededBug.ignoresTurns ? open.first : byTurns
            guard let next else { break }
            tenants[next].jobs += 1
            times[next] += 1
        }
        return tenants.filter { $0.jobs > 0 }
    }
}

extension TurnPlan.Turn {
    var ready: Int { lanes.reduce(0) { $0 + $1.ready } }
}
