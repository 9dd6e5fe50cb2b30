"""Lines of work of seeded listings and students: their names, skills and tasks."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Trade:
    """One line of work."""

    field: str
    roles: tuple[str, ...]
    skills: tuple[str, ...]
    majors: tuple[str, ...]
    tasks: tuple[str, ...]


TRADES: Final = (
    Trade(
        field="Software Engineering",
        roles=("Backend Engineering Intern", "Python Developer Intern", "Platform Intern", "Java Intern"),
        skills=("Python", "Java", "Go", "SQL", "Docker", "Kubernetes", "gRPC", "Git", "Linux"),
        majors=("Computer Science", "Software Engineering", "Information Systems"),
        tasks=("build services that stay up", "write tests that can fail", "make slow queries fast"),
    ),
    Trade(
        field="Frontend Development",
        roles=("Frontend Intern", "React Developer Intern", "Mobile App Intern"),
        skills=("TypeScript", "React", "CSS", "Accessibility", "Swift", "Kotlin", "Figma"),
        majors=("Computer Science", "Media Informatics", "Interaction Design"),
        tasks=("build screens that people understand", "test with real users", "make pages load fast"),
    ),
    Trade(
        field="Data Science",
        roles=("Data Science Intern", "Machine Learning Intern", "Analytics Intern"),
        skills=("Python", "SQL", "Statistics", "PyTorch", "Pandas", "Airflow", "Spark"),
        majors=("Statistics", "Mathematics", "Data Science", "Physics"),
        tasks=("find what the numbers say", "train and judge models", "build dashboards people trust"),
    ),
    Trade(
        field="Design",
        roles=("Product Design Intern", "UX Research Intern", "Brand Design Intern"),
        skills=("Figma", "Prototyping", "User Research", "Illustration", "Typography"),
        majors=("Interaction Design", "Graphic Design", "Psychology"),
        tasks=("sketch, test and sketch again", "interview users", "keep the design system tidy"),
    ),
    Trade(
        field="Marketing",
        roles=("Marketing Intern", "Content Intern", "Growth Intern", "Social Media Intern"),
        skills=("Copywriting", "SEO", "Analytics", "Photography", "Spanish", "Public Speaking"),
        majors=("Marketing", "Communication", "Business Administration"),
        tasks=("write what people want to read", "run and measure campaigns", "look after the newsletter"),
    ),
    Trade(
        field="Finance",
        roles=("Finance Intern", "Audit Intern", "Investment Intern"),
        skills=("Excel", "Accounting", "Financial Modelling", "SQL", "Valuation"),
        majors=("Finance", "Economics", "Business Administration"),
        tasks=("close the month with the team", "model what might happen", "check that figures add up"),
    ),
    Trade(
        field="Mechanical Engineering",
        roles=("Mechanical Engineering Intern", "Robotics Intern", "Manufacturing Intern"),
        skills=("CAD", "MATLAB", "SolidWorks", "C++", "ROS", "3D Printing"),
        majors=("Mechanical Engineering", "Mechatronics", "Robotics"),
        tasks=("design parts and hold them in your hand", "run the test bench", "improve a production line"),
    ),
    Trade(
        field="Life Sciences",
        roles=("Biology Research Intern", "Clinical Data Intern", "Lab Intern"),
        skills=("Molecular Biology", "R", "Statistics", "Lab Techniques", "Python", "Bioinformatics"),
        majors=("Biology", "Biotechnology", "Pharmacy", "Medicine"),
        tasks=("prepare and run experiments", "keep data clean and traceable", "write up what was found"),
    ),
)
