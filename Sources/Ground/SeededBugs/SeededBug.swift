#if SEEDED_BUGS
import Foundation
#endif

/// Bugs that are put in on purpose, so that it can be seen whether the harness of `make prove` finds them.
///
/// Only a build with `-Xswiftc -DSEEDED_BUGS` has them, and there `WAYBILL_SEEDED_BUG` chooses one. In every other build each of
/// these is a constant false, and the line that asks for it leaves nothing behind.
public enum SeededBug {
    // A disk that loses what was not synced
    @inlinable public static var dropsFileSync: Bool { isOn() }
    @inlinable public static var dropsFolderSync: Bool { isOn() }
    @inlinable public static var dropsCommitSync: Bool { isOn() }
    @inlinable public static var renamesBeforeSync: Bool { isOn() }

    // Transactions
    @inlinable public static var answersBeforeCommit: Bool { isOn() }
    @inlinable public static var keepsKeyOutside: Bool { isOn() }
    @inlinable public static var sharesFolder: Bool { isOn() }

    // Several nodes and stores beyond the network
    @inlinable public static var repeatsCommit: Bool { isOn() }
    @inlinable public static var takesNoTurn: Bool { isOn() }
    @inlinable public static var beatsByOwnClock: Bool { isOn() }
    @inlinable public static var believesLostPut: Bool { isOn() }

    // Jobs
    @inlinable public static var ignoresFence: Bool { isOn() }
    @inlinable public static var forgetsDead: Bool { isOn() }
    @inlinable public static var losesCancel: Bool { isOn() }
    @inlinable public static var ignoresLimit: Bool { isOn() }
    @inlinable public static var ignoresTurns: Bool { isOn() }
    @inlinable public static var leavesOrphans: Bool { isOn() }
    @inlinable public static var skipsRehash: Bool { isOn() }
    @inlinable public static var progressFalls: Bool { isOn() }

    // Events
    @inlinable public static var skipsEvent: Bool { isOn() }
    @inlinable public static var ignoresLastEventID: Bool { isOn() }
    @inlinable public static var dropsNotice: Bool { isOn() }

    // Content
    @inlinable public static var losesBatch: Bool { isOn() }
    @inlinable public static var forgetsCut: Bool { isOn() }
    @inlinable public static var skipsIndexRow: Bool { isOn() }
    @inlinable public static var miscountsItems: Bool { isOn() }
    @inlinable public static var repeatsImport: Bool { isOn() }

    // Uploads
    @inlinable public static var acknowledgesBeforeSync: Bool { isOn() }
    @inlinable public static var appendIgnoresFence: Bool { isOn() }
    @inlinable public static var keepsReservation: Bool { isOn() }

    // The web
    @inlinable public static var forgetsOwner: Bool { isOn() }
    @inlinable public static var forgetsTenant: Bool { isOn() }
    @inlinable public static var shiftsRange: Bool { isOn() }

    #if SEEDED_BUGS
    private static let chosen = ProcessInfo.processInfo.environment["WAYBILL_SEEDED_BUG"]

    public static func isOn(_ name: String = #function) -> Bool { name == chosen }
    #else
    @inlinable @inline(__always) static func isOn() -> Bool { false }
    #endif
}
