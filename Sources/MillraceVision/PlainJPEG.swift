import CTurboJPEG

/// Photos as most are: JPEG files in gray or colour that are not turned. libjpeg-turbo decodes them to the same pixels as libvips,
/// which uses it too, sooner and without loading all that libvips needs.
enum PlainJPEG {
    /// - Returns: `nil` for every other file, damaged ones too: libvips says what they are, and what is wrong with them.
    static func decode(_ bytes: UnsafeRawBufferPointer, pixelsMax: Int64) -> RGBImage? {
        guard millrace_jpeg_start() == 0, JPEGOrientation.isUpright(bytes), let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return nil }
        var (width, height): (Int32, Int32) = (0, 0)
        guard millrace_jpeg_size(start, bytes.count, &width, &height) == 0, Int64(width) * Int64(height) <= pixelsMax else { return nil }
        let storage = PixelStorage(byteCount: Int(width) * Int(height) * 3)
        guard let pixels = storage.buffer.bindMemory(to: UInt8.self).baseAddress,
            millrace_jpeg_decode(start, bytes.count, pixels, width, height) == 0
        else { return nil }
        return RGBImage(width: Int(width), height: Int(height), storage: storage)
    }
}

/// How a camera was held, as the EXIF segment of a JPEG file tells.
///
/// Source: Exif 2.32 (CIPA DC-008), sections 4.5 and 4.6; TIFF 6.0, section 2.
enum JPEGOrientation {
    /// Whether the picture is stored as it is to be shown. False when the segments before it make no sense.
    static func isUpright(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var place = 2
        while place + 4 <= bytes.count {
            guard bytes[place] == 0xFF else { return false }
            let marker = bytes[place + 1]
            // Fill bytes may stand before a marker.
            if marker == 0xFF {
                place += 1
                continue
            }
            // The picture itself begins.
            if marker == 0xDA { return true }
            let length = Int(bytes[place + 2]) << 8 | Int(bytes[place + 3])
            guard length >= 2, place + 2 + length <= bytes.count else { return false }
            if marker == 0xE1 {
                let segment = UnsafeRawBufferPointer(rebasing: bytes[(place + 4)..<(place + 2 + length)])
                if segment.starts(with: Array("Exif\0\0".utf8)), !isUpright(exif: UnsafeRawBufferPointer(rebasing: segment[6...])) { return false }
            }
            place += 2 + length
        }
        return false
    }

    private static func isUpright(exif: UnsafeRawBufferPointer) -> Bool {
        guard exif.count >= 8 else { return true }
        let isBigEndian = exif[0] == UInt8(ascii: "M")
        func number(at place: Int, bytes: Int) -> Int? {
            guard place >= 0, place + bytes <= exif.count else { return nil }
            let digits = isBigEndian ? Array(exif[place..<(place + bytes)]) : exif[place..<(place + bytes)].reversed()
            return digits.reduce(0) { $0 << 8 | Int($1) }
        }
        guard let directory = number(at: 4, bytes: 4), let count = number(at: directory, bytes: 2) else { return true }
        for entry in 0..<count {
            let place = directory + 2 + entry * 12
            guard let tag = number(at: place, bytes: 2), let value = number(at: place + 8, bytes: 2) else { return true }
            if tag == 0x0112 { return value <= 1 || value > 8 }
        }
        return true
    }
}
