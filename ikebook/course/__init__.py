"""The course around the notebooks: its clips and its JupyterLab (`lab`), its pictures (`figures`), its made-up networks.

Answers to the exercises are checked by the room next door, `ikebook.check_answers`.
"""
