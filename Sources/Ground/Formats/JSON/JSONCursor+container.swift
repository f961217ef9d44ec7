extension JSONCursor {
    /// An array or object with all that is in it, without recursion: a bit for each open one says whether it is an object.
    @inline(never) mutating func container(depth: Int) throws(JSONError) -> JSONKind {
        let kind: JSONKind = base[at] == UInt8(ascii: "{") ? .object : .array
        var open = depth
        var objects: UInt64 = 0
        while true {
            // A value starts here.
            skipSpace()
            guard at < end else { throw unexpected() }
            let byte = base[at]
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                let isObject = byte == UInt8(ascii: "{")
                open &+= 1
                if open > depthMax { throw JSONError(.tooDeep, offset: at) }
                objects = objects &<< 1 | (isObject ? 1 : 0)
                at &+= 1
                skipSpace()
                guard at < end else { throw unexpected() }
                guard base[at] == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                    if isObject { try name() }
                    continue
                }
                at &+= 1
                open &-= 1
                objects &>>= 1
            } else {
                try simple(byte)
            }
            if open == depth { return kind }
            if try closes(&open, &objects, downTo: depth) { return kind }
        }
    }

    /// After a value: passes closing brackets, then a comma with the next name.
    /// - Returns: whether the outermost container is closed.
    private mutating func closes(_ open: inout Int, _ objects: inout UInt64, downTo depth: Int) throws(JSONError) -> Bool {
        while true {
            skipSpace()
            guard at < end else { throw unexpected() }
            let byte = base[at]
            let isObject = objects & 1 == 1
            if byte == UInt8(ascii: ",") {
                at &+= 1
                if isObject {
                    skipSpace()
                    try name()
                }
                return false
            }
            guard byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { throw unexpected() }
            at &+= 1
            open &-= 1
            objects &>>= 1
            if open == depth { return true }
        }
    }

    private mutating func name() throws(JSONError) {
        guard at < end, base[at] == 0x22 else { throw unexpected() }
        _ = try string()
        skipSpace()
        try expect(UInt8(ascii: ":"))
    }

    /// A value that is no container.
    private mutating func simple(_ byte: UInt8) throws(JSONError) {
        if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { throw unexpected() }
        _ = try value(depth: depthMax)
    }
}
