"""Moves slots between shards while they are read and written to: copies, follows, fences, switches, clears.

The slot map itself says where a move stands, so that another run can finish or take back what a killed one
began:

    moving, owned by the source     the target is being given a copy, which follows the source's changes
    moving, fenced                  writes are refused; the last changes are being copied
    moving, owned by the target     the target serves; the source is being cleared
"""
